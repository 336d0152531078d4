//! Reading first, delivering after: a group of sockets is read, then what came is delivered, socket by
//! socket. By turns, the processor would fetch the code for either again and again: the kernel's for reading
//! and the listener's do not fit into its first cache together.

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
use crate::bindings::serve::read::{read_on, read_once};
use crate::engine::{Read, Token};
use crate::session::delivery;

/// Sockets of a group, at most.
pub const GROUP: usize = 32;
/// Bytes that make a group whole: more would have left the cache when they are delivered, and what remains of
/// the read buffer is enough for any read.
const ENOUGH: usize = 64 * 1024;

/// What one read came to.
struct ReadOnce {
    token: Token,
    connection: Py<Connection>,
    read: Read,
    /// Bytes of it in the buffer: none where they went into a message directly.
    buffered: usize,
}

/// What was read and is not delivered yet, in the order of reading.
#[derive(Default)]
pub struct ReadGroup {
    list: Vec<ReadOnce>,
    /// The read buffer of the loop, while there is a group.
    buffer: Box<[u8]>,
    used: usize,
    /// All that came, directly or not.
    bytes: usize,
}

impl ReadGroup {
    /// Reads a socket once. False where its owner is no connection, or is not to be read.
    #[inline]
    pub fn read(&mut self, reactor: &Bound<'_, Reactor>, token: Token) -> bool {
        let (py, this) = (reactor.py(), reactor.get());
        let Some(connection) = this.with_sockets(py, |sockets| sockets.readable(py, token)) else {
            return false;
        };
        if self.list.is_empty() {
            self.buffer = this.with_shared(py, Shared::take_read_buffer);
        }
        let spare = &mut self.buffer[self.used..];
        let (read, buffered) = read_once(reactor, token, connection.get(), spare);
        self.used += buffered;
        if let Read::Data { n, .. } = read {
            self.bytes += n;
        }
        self.list.push(ReadOnce { token, connection, read, buffered });
        true
    }

    pub fn are_enough(&self) -> bool {
        self.list.len() >= GROUP || self.bytes >= ENOUGH
    }

    /// Delivers them. What a listener does to another connection meanwhile holds for what was read of it: it
    /// waits if that was paused, and is dropped if that was terminated. `feed` sees to both.
    pub fn deliver(&mut self, reactor: &Bound<'_, Reactor>) {
        if self.list.is_empty() {
            return;
        }
        let (py, this) = (reactor.py(), reactor.get());
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut delivered = 0;
        let mut list = self.list.drain(..);
        while let Some(ReadOnce { token, connection, read, buffered }) = list.next() {
            if let Some(later) = list.as_slice().get(1) {
                later.connection.get().look_ahead(py);
            }
            let bytes = &mut buffer[delivered..delivered + buffered];
            delivered += buffered;
            if matches!(read, Read::Data { .. }) {
                delivery::feed(connection.bind(py), bytes);
            }
            if list.as_slice().is_empty() {
                // Before the last reads on: it would need another.
                let buffer = std::mem::take(&mut buffer);
                this.with_shared(py, |shared| shared.give_read_buffer(buffer));
            }
            read_on(reactor, token, connection, read);
        }
        drop(list);
        (self.used, self.bytes) = (0, 0);
    }
}
