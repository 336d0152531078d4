//! Accepting connections, also when the descriptors run out.

use std::io;
use std::net::SocketAddr;

use super::slots::Token;
use super::sockets::Engine;
use super::sys::{Errno, Sys};

/// What came of [`Engine::accept`].
#[derive(Debug)]
pub enum Accepted {
    /// A new connection, already watched for something to read.
    Socket {
        /// Its token.
        token: Token,
        /// The peer's address; `None` for a Unix socket.
        peer: Option<SocketAddr>,
    },
    /// No connection waits any more.
    WouldBlock,
    /// The process or the system has no descriptors or memory left (`EMFILE`, `ENFILE`, `ENOBUFS`,
    /// `ENOMEM`). The listener left the poller, or it would be reported for ever; connections wait
    /// in its backlog. [`Engine::resume_accepting`], or any [`Engine::close`], puts it back.
    Exhausted,
    /// The listener itself is broken. It left the poller; close it.
    Failed(io::Error),
}

/// Connections in a row that were gone before they could be accepted: then let others have a turn.
const MAX_SKIPPED: usize = 64;

enum Kind {
    Skip,
    WouldBlock,
    Exhausted,
    Failed,
}

/// Linux also hands pending network errors of the new connection to `accept`, and asks that they
/// be treated as if that connection had not been there.
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
                        // No memory or no watches for it; the connection is closed.
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

    /// Watches the listeners again that ran out of descriptors. Nothing to do where none has.
    ///
    /// # Errors
    /// There is still no memory; those left over stay as they are, and the next call or close
    /// tries them again.
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
