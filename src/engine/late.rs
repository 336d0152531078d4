//! The sockets that were reported as ready, but for which the caller had no time. An edge-triggered poller does not report
//! them again, so they are kept in a list, in the order in which they were reported.

use super::events::Ready;
use super::slots::{Entry, Token};
use super::sockets::Engine;
use super::sys::{RawEvent, Sys};

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
const HANGUP: u8 = 4;
const ENDED: u8 = 8;
/// Set for every socket in the list, even if nothing was reported that it can use now.
const LISTED: u8 = 16;

/// The event as bits, for [`super::slots::Stream::late`].
pub(super) fn bits(event: RawEvent) -> u8 {
    let RawEvent { readable, writable, hangup, ended, .. } = event;
    let pairs = [(readable, READABLE), (writable, WRITABLE), (hangup, HANGUP), (ended, ENDED)];
    pairs.into_iter().filter(|(is_set, _)| *is_set).fold(LISTED, |bits, (_, bit)| bits | bit)
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Ends the batch, and leaves its events that were not taken yet for [`Self::next_late`]. Listeners are not among
    /// those: the poller reports them again.
    pub fn postpone_rest(&mut self) {
        self.end_turn();
        while let Some(event) = self.events.get(self.next_event).copied() {
            self.next_event += 1;
            self.list(Token::from_raw(event.token), bits(event));
        }
    }

    /// Leaves the socket that was reported last for [`Self::next_late`], unread.
    pub fn postpone(&mut self, ready: Ready) {
        if let Ready::Socket { token, readable, writable, hangup } = ready {
            self.turn = None;
            self.list(
                token,
                bits(RawEvent { token: token.raw(), readable, writable, hangup, ended: false }),
            );
        }
    }

    /// Sets whether a socket that was not drained, or that is resumed with more to read, waits behind the postponed ones
    /// instead of being reported by the next [`Self::poll`]. Then what a poll reports has been quiet before. Switch it off
    /// before [`Self::next_late`] is called for the last time.
    #[inline]
    pub fn set_busy(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
    }

    /// Puts a socket that has more to read behind the postponed ones. Returns false if the poller has to report it.
    pub(super) fn list_unread(&mut self, token: Token) -> bool {
        let lists = self.is_busy
            && self
                .slots
                .stream(token)
                .is_some_and(|stream| stream.unread && stream.armed.read && stream.wanted().read);
        if lists {
            self.list(token, LISTED | READABLE);
        }
        lists
    }

    fn list(&mut self, token: Token, bits: u8) {
        if let Some(Entry::Stream(stream)) = self.slots.get_mut(token) {
            if stream.late == 0 {
                self.late.push_back(token);
            }
            stream.late |= bits;
        }
    }

    /// The number of postponed sockets, which may include closed ones.
    #[inline]
    pub fn late_len(&self) -> usize {
        self.late.len()
    }

    /// The socket that was postponed first and can make progress; `None` if there is none.
    pub fn next_late(&mut self) -> Option<Ready> {
        self.end_turn();
        while let Some(token) = self.late.pop_front() {
            let Some(stream) = self.slots.stream_mut(token) else { continue };
            let bits = std::mem::take(&mut stream.late);
            let event = RawEvent {
                token: token.raw(),
                readable: bits & READABLE != 0,
                writable: bits & WRITABLE != 0,
                hangup: bits & HANGUP != 0,
                ended: bits & ENDED != 0,
            };
            if let Some(ready) = self.socket_ready(token, event) {
                return Some(ready);
            }
        }
        None
    }
}
