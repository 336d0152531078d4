//! Reading a socket, for each kind of client.

#![allow(unsafe_code)]

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::client::Kind;
use super::connection::Connection;
use super::reactor::Reactor;
use super::sockets::{close, lose};
use crate::engine::{Read, Token};

/// Reads of a socket per readiness: with the shared buffer's 256 KiB, at most 1 MiB.
const READS: usize = 4;
/// A frame that misses at least this many bytes is received straight into its `bytes`.
const DIRECT_MIN: usize = 16 * 1024;

/// Reads until the socket is drained or has had its turn; each read is delivered before the next.
pub fn readable_now(reactor: &Bound<'_, Reactor>, token: Token) {
    let (py, this) = (reactor.py(), reactor.get());
    for _ in 0..READS {
        let kind = this.sockets.with(py, |sockets| {
            let paused = sockets.engine().is_none_or(|engine| engine.is_paused(token));
            let client = sockets.client(token).filter(|client| !paused && !client.closing);
            client.map(|client| client.kind.clone_ref(py))
        });
        let Some(kind) = kind else { return };
        let read = match &kind {
            Kind::Native(connection) => read_native(reactor, token, connection.bind(py)),
            Kind::Stream(protocol) => read_stream(reactor, token, protocol.bind(py)),
            Kind::Buffered(protocol) => read_buffered(reactor, token, protocol.bind(py)),
            Kind::Listener(_) => return,
        };
        match read {
            Ok(Read::Data { drained: false, .. }) => {}
            Ok(Read::Data { .. } | Read::WouldBlock) => break,
            Ok(Read::Eof) => {
                at_eof(reactor, token, &kind);
                break;
            }
            Ok(Read::Lost(error)) => return lose(reactor, token, Some(error.into())),
            Err(error) => {
                this.report(py, "a protocol raised an exception", error.clone_ref(py));
                return lose(reactor, token, Some(error));
            }
        }
    }
}

fn read_native(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    connection: &Bound<'_, Connection>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let direct = connection.get().receive_direct(py, DIRECT_MIN, |spare| {
        this.sockets.with(py, |sockets| {
            sockets.engine().map_or(Read::WouldBlock, |engine| engine.read(token, spare))
        })
    });
    if let Some(read) = direct {
        if matches!(read, Read::Data { .. }) {
            Connection::feed(connection, &mut []);
        }
        return Ok(read);
    }
    let room = connection.get().room_to_read(py);
    read_shared(reactor, token, room, |bytes| {
        Connection::feed(connection, bytes);
        Ok(())
    })
}

fn read_stream(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, usize::MAX, |bytes| {
        protocol.call_method1(intern!(py, "data_received"), (PyBytes::new(py, bytes),)).map(drop)
    })
}

fn read_buffered(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, usize::MAX, |mut bytes: &mut [u8]| {
        while !bytes.is_empty() {
            let room = protocol.call_method1(intern!(py, "get_buffer"), (bytes.len(),))?;
            let view = py.import("builtins")?.getattr("memoryview")?.call1((room,))?;
            let n = view.len()?.min(bytes.len());
            if n == 0 {
                return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
            }
            let (now, rest) = bytes.split_at_mut(n);
            let range = pyo3::types::PySlice::new(py, 0, n as isize, 1);
            view.set_item(range, PyBytes::new(py, now))?;
            view.call_method0("release")?;
            protocol.call_method1(intern!(py, "buffer_updated"), (n,))?;
            bytes = rest;
        }
        Ok(())
    })
}

/// One read of at most `room` bytes into the loop's shared buffer, given to `deliver`.
fn read_shared(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    room: usize,
    deliver: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let mut buffer = this.with_shared(py, super::shared::Shared::take_read_buffer);
    // SAFETY: initialised bytes seen as perhaps uninitialised ones; the engine only writes bytes.
    let spare = unsafe {
        std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len().min(room))
    };
    let read = this.sockets.with(py, |sockets| {
        sockets.engine().map_or(Read::WouldBlock, |engine| engine.read(token, spare))
    });
    let outcome = match &read {
        Read::Data { n, .. } => deliver(&mut buffer[..*n]),
        _ => Ok(()),
    };
    this.with_shared(py, |shared| shared.give_read_buffer(buffer));
    outcome.map(|()| read)
}

/// The peer's FIN: the protocol says whether the other direction stays open.
fn at_eof(reactor: &Bound<'_, Reactor>, token: Token, kind: &Kind) {
    let py = reactor.py();
    let keep = match kind {
        Kind::Native(connection) => Ok(Connection::at_eof(connection.bind(py))),
        Kind::Stream(protocol) | Kind::Buffered(protocol) => protocol
            .bind(py)
            .call_method0(intern!(py, "eof_received"))
            .and_then(|answer| answer.is_truthy()),
        Kind::Listener(_) => Ok(true),
    };
    match keep {
        Ok(true) => {}
        Ok(false) => close(reactor, token),
        Err(error) => lose(reactor, token, Some(error)),
    }
}
