//! Accepting connections, even when descriptors run out.

use std::io;
use std::net::SocketAddr;

use super::slots::Token;
use super::sockets::Engine;
use super::sys::{Errno, Sys};

/// The result of [`Engine::accept`].
#[derive(Debug)]
pub enum Accepted {
    /// A new connection, which is already watched for reading.
    Socket {
        /// Its token.
        token: Token,
        /// The peer's address; `None` for a Unix socket.
        peer: Option<SocketAddr>,
    },
    /// No further connection waits.
    WouldBlock,
    /// The process or the system has no descriptors or memory left (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`). The
    /// listener was taken out of the poller, which would report it for ever, and connections wait in its backlog.
    /// [`Engine::resume_accepting`] or any [`Engine::close`] puts it back.
    Exhausted,
    /// The listener itself is broken. It was taken out of the poller; close it.
    Failed(io::Error),
}

/// After this many connections in a row that were gone before they could be accepted, others have their turn.
const MAX_SKIPPED: usize = 64;

enum Kind {
    Skip,
    WouldBlock,
    Exhausted,
    Failed,
}

/// What an error of `accept` means. Linux also returns pending network errors of the new connection from `accept`, and
/// asks callers to go on as if that connection had not been there.
fn classify(error: Errno) -> Kind {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if error == Errno::NONET {
        return Kind::Skip;
    }
    match error {
        Errno::INTR
        | Errno::CONNABORTED
        | Errno::CONNRESET
        | Errno::PROTO
        | Errno::PERM
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::TIMEDOUT => Kind::Skip,
        Errno::AGAIN => Kind::WouldBlock,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Kind::Exhausted,
        _ => Kind::Failed,
    }
}

impl<S: Sys, H: AsRef<[u8]>> Engine<S, H> {
    /// Accepts one connection. Those that ended before they could be accepted are skipped.
    pub fn accept(&mut self, listener: Token) -> Accepted {
        for _ in 0..MAX_SKIPPED {
            let Some(entry) = self.slots.listener_mut(listener) else {
                return Accepted::WouldBlock;
            };
            match self.sys.accept(&entry.fd) {
                Ok((fd, peer)) => {
                    return match self.register(fd) {
                        Ok(token) => Accepted::Socket { token, peer },
                        // There is no memory or no watch for it, so the connection was closed.
                        Err(_) => self.exhausted(listener),
                    };
                }
                Err(error) => match classify(error) {
                    Kind::Skip => {}
                    Kind::WouldBlock => return Accepted::WouldBlock,
                    Kind::Exhausted => return self.exhausted(listener),
                    Kind::Failed => {
                        self.disarm_listener(listener);
                        return Accepted::Failed(error.into());
                    }
                },
            }
        }
        Accepted::WouldBlock
    }

    fn exhausted(&mut self, listener: Token) -> Accepted {
        self.disarm_listener(listener);
        if !self.exhausted.contains(&listener) {
            self.exhausted.push(listener);
        }
        Accepted::Exhausted
    }

    /// Watches again the listeners for which descriptors ran out, if there are any.
    ///
    /// # Errors
    /// It fails if there is still no memory. The remaining listeners stay as they are, and the next call or close tries
    /// them again.
    pub fn resume_accepting(&mut self) -> io::Result<()> {
        while let Some(listener) = self.exhausted.pop() {
            if let Err(error) = self.arm_listener(listener) {
                self.exhausted.push(listener);
                return Err(error.into());
            }
        }
        Ok(())
    }
}
