//! The poller on macOS and the BSDs: kqueue. Reading and writing are two filters of one descriptor, so a socket may
//! have two events in a batch. Each filter is level-triggered (no `EV_CLEAR`) even if an edge was asked for: events
//! that come more often than needed do no harm.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent, kqueue};
use rustix::io::{FdFlags, fcntl_setfd};

use super::sys::{Errno, Interest, MAX_EVENTS, RawEvent};

// An event carries a pointer's worth of our data, and a token has 64 bits.
#[cfg(not(target_pointer_width = "64"))]
compile_error!("the engine needs 64-bit pointers where its poller is kqueue");

/// A kqueue instance.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
}

impl Poller {
    /// Makes a kqueue instance, closed on `exec`.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> Result<Self, Errno> {
        let fd = kqueue()?;
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        Ok(Self { fd })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(super) fn add(&self, fd: &OwnedFd, token: u64, interest: Interest) -> Result<(), Errno> {
        self.modify(fd, token, Interest::NONE, interest)
    }

    pub(super) fn delete(&self, fd: &OwnedFd, old: Interest) -> Result<(), Errno> {
        self.modify(fd, 0, old, Interest::NONE)
    }

    pub(super) fn modify(
        &self,
        fd: &OwnedFd,
        token: u64,
        old: Interest,
        new: Interest,
    ) -> Result<(), Errno> {
        let fd = fd.as_raw_fd();
        if old.read != new.read {
            self.change(EventFilter::Read(fd), token, new.read)?;
        }
        if old.write != new.write {
            self.change(EventFilter::Write(fd), token, new.write)?;
        }
        Ok(())
    }

    /// Adds or deletes one filter. Because the call has no room for events, the kernel returns an error of the change
    /// as its result.
    fn change(&self, filter: EventFilter, token: u64, add: bool) -> Result<(), Errno> {
        let flags = if add { EventFlags::ADD } else { EventFlags::DELETE };
        let data = std::ptr::without_provenance_mut(token as usize);
        let change = Event::new(filter, flags, data);
        let mut no_room: [MaybeUninit<Event>; 0] = [];
        // SAFETY: `modify` borrows the descriptor that the filter names, so it is open now; when
        // it is closed later the kernel drops its filters by itself.
        #[allow(unsafe_code)]
        let result = unsafe { kevent(&self.fd, &[change], &mut no_room, Some(Duration::ZERO)) };
        match result {
            // kevent(2): a signal interrupts only the wait; all changes have been applied.
            Ok(_) | Err(Errno::INTR) => Ok(()),
            // It is gone already, as requested.
            Err(Errno::NOENT) if !add => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn wait(&self, events: &mut Vec<RawEvent>) -> Result<(), Errno> {
        let mut room = [const { MaybeUninit::<Event>::uninit() }; MAX_EVENTS];
        // SAFETY: there are no changes, hence no descriptors that would have to be valid.
        #[allow(unsafe_code)]
        let (ready, _) = unsafe { kevent(&self.fd, &[], &mut room, Some(Duration::ZERO)) }?;
        events.extend(ready.iter().map(|event| {
            let writing = matches!(event.filter(), EventFilter::Write(_));
            RawEvent {
                token: event.udata().addr() as u64,
                readable: !writing,
                writable: writing,
                // The end of the reading half is no hang-up: there may still be bytes to read.
                hangup: writing && event.flags().contains(EventFlags::EOF),
                ended: !writing && event.flags().contains(EventFlags::EOF),
            }
        }));
        Ok(())
    }
}
