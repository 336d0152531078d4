//! Reads a socket, for each kind of owner.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bindings::connection::Connection;
use crate::bindings::connection::state::PyObjects;
use crate::bindings::event_loop::owner::Kind;
use crate::bindings::event_loop::reactor::Reactor;
use crate::bindings::event_loop::slices;
use crate::bindings::event_loop::sockets::{close, lose};
use crate::engine::{Read, Token};
use crate::session::{Session, delivery};

/// The most reads of a socket each time it is ready: with the shared buffer's 256 KiB, at most 1 MiB.
const READS: usize = 4;
/// If at least this many bytes of a frame are missing, they are read straight into the `bytes` of the
/// message.
const DIRECT_MIN: usize = 16 * 1024;

/// Reads until the socket is drained or has been read `READS` times. The bytes of each read are delivered
/// before the next.
pub fn readable_now(reactor: &Bound<'_, Reactor>, token: Token) {
    read_up_to(reactor, token, READS);
}

fn read_up_to(reactor: &Bound<'_, Reactor>, token: Token, reads: usize) {
    let (py, this) = (reactor.py(), reactor.get());
    for number in 0..reads {
        if number > 0 && slices::is_over(reactor) {
            return; // the engine reports the socket again
        }
        let kind = this.with_sockets(py, |sockets| {
            let paused = sockets.engine().is_none_or(|engine| engine.is_paused(token));
            let owner = sockets.owner(token).filter(|owner| !paused && !owner.is_closing());
            owner.map(|owner| owner.kind().clone_ref(py))
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
                // An interrupt ends the loop, and is no fault of the protocol's: the loop may run again.
                let is_fault = error.is_instance_of::<PyException>(py);
                this.report(py, "a protocol raised an exception", error.clone_ref(py));
                if is_fault {
                    lose(reactor, token, Some(error));
                }
                return;
            }
        }
    }
}

/// Goes on after the first read of a connection, once its bytes are delivered.
#[inline]
pub fn read_on(reactor: &Bound<'_, Reactor>, token: Token, connection: Py<Connection>, read: Read) {
    match read {
        Read::Data { drained: true, .. } | Read::WouldBlock => {}
        Read::Data { .. } => read_up_to(reactor, token, READS - 1),
        Read::Eof => at_eof(reactor, token, &Kind::Native(connection)),
        Read::Lost(error) => lose(reactor, token, Some(error.into())),
    }
}

/// Reads once: into the message itself while a long frame is arriving, else into `spare`. Also returns the
/// number of bytes in `spare`.
#[inline]
pub fn read_once(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    connection: &Connection,
    spare: &mut [u8],
) -> (Read, usize) {
    let (py, this) = (reactor.py(), reactor.get());
    let read = |into: &mut [MaybeUninit<u8>]| {
        this.with_sockets(py, |sockets| {
            sockets.engine().map_or(Read::WouldBlock, |engine| engine.read(token, into))
        })
    };
    connection.state.with(py, |state| {
        if let Some(read) = read_into_message(&mut state.session, read) {
            return (read, 0);
        }
        let room = state.session.room_to_read().min(spare.len());
        // SAFETY: initialised bytes may be viewed as `MaybeUninit`; the engine only writes bytes to them.
        let into = unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), room) };
        let read = read(into);
        let n = if let Read::Data { n, .. } = read { n } else { 0 };
        (read, n)
    })
}

/// Reads straight into the `bytes` that the listener will get. Returns None unless a long frame is arriving
/// and nothing holds its delivery back.
#[inline]
fn read_into_message(
    session: &mut Session<PyObjects>,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Read,
) -> Option<Read> {
    let receiver = session.direct_receiver()?;
    let receive = || {
        let Some((buffer, limit)) = receiver.direct(DIRECT_MIN)? else { return Ok(None) };
        let outcome = read(buffer.spare(limit));
        if let Read::Data { n, .. } = outcome {
            // SAFETY: the engine has written the first `n` bytes of the slice it was given.
            unsafe { buffer.advance(n) };
            receiver.direct_received(n)?;
            return Ok(Some((outcome, n)));
        }
        Ok(Some((outcome, 0)))
    };
    match receive() {
        Ok(None) => None,
        Ok(Some((outcome, n))) => {
            session.direct_received(Ok(n));
            Some(outcome)
        }
        Err(fault) => {
            session.direct_received(Err(fault));
            Some(Read::Data { n: 0, drained: true })
        }
    }
}

fn read_native(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    connection: &Bound<'_, Connection>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let mut buffer =
        this.with_shared(py, crate::bindings::event_loop::shared::Shared::take_read_buffer);
    let (read, n) = read_once(reactor, token, connection.get(), &mut buffer);
    if matches!(read, Read::Data { .. }) {
        delivery::feed(connection, &mut buffer[..n]);
    }
    this.with_shared(py, |shared| shared.give_read_buffer(buffer));
    Ok(read)
}

fn read_stream(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, |bytes| {
        protocol.call_method1(intern!(py, "data_received"), (PyBytes::new(py, bytes),)).map(drop)
    })
}

fn read_buffered(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<Read> {
    let py = reactor.py();
    read_shared(reactor, token, |mut bytes: &mut [u8]| {
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

/// Reads once into the loop's shared buffer and passes the bytes to `deliver`.
fn read_shared(
    reactor: &Bound<'_, Reactor>,
    token: Token,
    deliver: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Read> {
    let (py, this) = (reactor.py(), reactor.get());
    let mut buffer =
        this.with_shared(py, crate::bindings::event_loop::shared::Shared::take_read_buffer);
    // SAFETY: initialised bytes may be viewed as `MaybeUninit`; the engine only writes bytes to them.
    let spare = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) };
    let read = this.with_sockets(py, |sockets| {
        sockets.engine().map_or(Read::WouldBlock, |engine| engine.read(token, spare))
    });
    let outcome = match &read {
        Read::Data { n, .. } => deliver(&mut buffer[..*n]),
        _ => Ok(()),
    };
    this.with_shared(py, |shared| shared.give_read_buffer(buffer));
    outcome.map(|()| read)
}

/// Handles the peer's FIN. The protocol decides whether the other direction stays open.
fn at_eof(reactor: &Bound<'_, Reactor>, token: Token, kind: &Kind) {
    let py = reactor.py();
    let keep = match kind {
        Kind::Native(connection) => {
            delivery::receive_eof(connection.bind(py));
            Ok(true) // it stays open until everything received before is delivered
        }
        Kind::Stream(protocol) | Kind::Buffered(protocol) => protocol
            .bind(py)
            .call_method0(intern!(py, "eof_received"))
            .and_then(|answer| answer.is_truthy()),
        Kind::Listener(_) => Ok(true),
    };
    match keep {
        Ok(true) => {}
        Ok(false) => close(reactor, token),
        Err(error) => {
            if !error.is_instance_of::<PyException>(py) {
                reactor.get().keep_error(py, error.clone_ref(py));
            }
            lose(reactor, token, Some(error));
        }
    }
}
