//! The poller on Linux and Android: epoll.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::sys::{Errno, Interest, MAX_EVENTS, RawEvent};

/// An epoll instance.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.read);
    flags.set(EventFlags::OUT, interest.write);
    flags.set(EventFlags::ET | EventFlags::RDHUP, interest.edge);
    flags
}

impl Poller {
    /// Makes an epoll instance, closed on `exec`.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> Result<Self, Errno> {
        epoll::create(CreateFlags::CLOEXEC).map(|fd| Self { fd })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(super) fn add(&self, fd: &OwnedFd, token: u64, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.fd, fd, EventData::new_u64(token), flags(interest))
    }

    pub(super) fn modify(
        &self,
        fd: &OwnedFd,
        token: u64,
        _old: Interest,
        new: Interest,
    ) -> Result<(), Errno> {
        epoll::modify(&self.fd, fd, EventData::new_u64(token), flags(new))
    }

    pub(super) fn delete(&self, fd: &OwnedFd, _old: Interest) -> Result<(), Errno> {
        epoll::delete(&self.fd, fd)
    }

    pub(super) fn wait(&self, events: &mut Vec<RawEvent>) -> Result<(), Errno> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; MAX_EVENTS];
        let (ready, _) = epoll::wait(&self.fd, &mut room, Some(&now))?;
        events.extend(ready.iter().map(|event| {
            let flags = event.flags;
            RawEvent {
                token: event.data.u64(),
                readable: flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
                hangup: flags.intersects(EventFlags::HUP | EventFlags::ERR),
                ended: flags.contains(EventFlags::RDHUP),
            }
        }));
        Ok(())
    }
}
