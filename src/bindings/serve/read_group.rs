//! Reads a group of sockets first, then delivers what they received, socket by socket. If reads and
//! deliveries alternated, the processor would have to fetch the code for each again and again: the kernel's
//! code for reading and the listener's code do not fit into its first-level cache together.

use pyo3::prelude::*;

use crate::bindings::connection::Connection;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::shared::Shared;
use crate::bindings::event_loop::slices;
use crate::bindings::serve::read::{read_on, read_once};
use crate::engine::{Read, Token};
use crate::session::delivery;

/// The most sockets in a group.
pub const GROUP: usize = 32;
/// A group is complete once it holds this many bytes. More would have left the cache by the time they are
/// delivered, and the rest of the read buffer is large enough for any read.
const ENOUGH: usize = 64 * 1024;

/// The result of one read.
struct ReadOnce {
    token: Token,
    connection: Py<Connection>,
    read: Read,
    /// Number of its bytes in the buffer; 0 if they were read straight into a message.
    buffered: usize,
}

/// Reads that are not delivered yet, in the order in which they were made.
#[derive(Default)]
pub struct ReadGroup {
    list: Vec<ReadOnce>,
    /// The loop's read buffer, while the group is not empty.
    buffer: Box<[u8]>,
    used: usize,
    /// Number of bytes received, whether in the buffer or straight into a message.
    bytes: usize,
}

impl ReadGroup {
    /// Reads a socket once. False if its owner is not a connection, or if it must not be read.
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

    /// Delivers the group. If a listener meanwhile pauses another connection of the group, the bytes read for
    /// that connection wait; if it terminates one, they are dropped. `feed` handles both.
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
                if slices::count_and_check(reactor, buffered) {
                    delivery::wait_for_slice(connection.bind(py));
                }
                delivery::feed(connection.bind(py), bytes);
            }
            if list.as_slice().is_empty() {
                // The buffer is given back before the last connection reads on, which would otherwise need a
                // second one.
                let buffer = std::mem::take(&mut buffer);
                this.with_shared(py, |shared| shared.give_read_buffer(buffer));
            }
            read_on(reactor, token, connection, read);
        }
        drop(list);
        (self.used, self.bytes) = (0, 0);
    }
}
