//! The host of a connection's session: it makes Python objects of messages, and calls listeners and the
//! owner. The delivery itself is in `session/delivery.rs`.

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString};

use super::{inbox, inflate};
use crate::bindings::connection::awaitable::{Awaitable, Done};
use crate::bindings::connection::outbound::{control, flush};
use crate::bindings::connection::state::{PyObjects, State};
use crate::bindings::connection::{Connection, asyncio_protocol};
use crate::bindings::convert::bytes_buffer::BytesBuffer;
use crate::bindings::convert::text::decode;
use crate::bindings::event_loop::slices;
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::Codec;
use crate::protocol::receiver::{Data, Work};
use crate::session::{Form, Host, News, Session, Soon};

impl Host for Bound<'_, Connection> {
    type Objects = PyObjects;

    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut Session<PyObjects>) -> R) -> R {
        self.get().state.with(self.py(), |state| act(&mut state.session))
    }

    #[inline]
    fn with_codec<R>(&self, act: impl FnOnce(&mut Session<PyObjects>, &mut Codec) -> R) -> R {
        let (py, this) = (self.py(), self.get());
        this.reactor(py).with_shared(py, |shared| {
            this.state.with(py, |state| act(&mut state.session, shared.codec()))
        })
    }

    #[inline]
    fn make_listener(&self, kept: &Py<PyAny>) -> Py<PyAny> {
        kept.clone_ref(self.py())
    }

    #[inline]
    fn make_bytes(&self, data: &[u8]) -> Py<PyBytes> {
        PyBytes::new(self.py(), data).unbind()
    }

    /// Makes a bytes, str or bytearray, none of which the garbage collector tracks.
    #[inline(always)] // its one caller handles every message
    fn make_message(&self, data: Data<'_, BytesBuffer>, form: Form) -> PyResult<Py<PyAny>> {
        let py = self.py();
        let object = |bytes: &[u8]| match form {
            Form::Text => decode(py, bytes, false),
            Form::ByteArray => Ok(PyByteArray::new(py, bytes).into_any().unbind()),
            Form::Bytes | Form::Fragments => Ok(PyBytes::new(py, bytes).into_any().unbind()),
        };
        match data {
            Data::Slice(bytes) => object(bytes),
            Data::Buffer(buffer) if form == Form::Bytes => {
                Ok(buffer.into_bytes(py)?.into_any().unbind())
            }
            Data::Buffer(buffer) => object(MessageBuffer::as_slice(&buffer)),
            Data::Fragments(pieces) => {
                let slices: Vec<&[u8]> = pieces.iter().map(MessageBuffer::as_slice).collect();
                object(&slices.concat())
            }
        }
    }

    fn make_pieces(&self, data: Data<'_, BytesBuffer>) -> PyResult<Vec<Py<PyBytes>>> {
        let py = self.py();
        match data {
            Data::Slice(bytes) => Ok(vec![PyBytes::new(py, bytes).unbind()]),
            Data::Buffer(buffer) => Ok(vec![buffer.into_bytes(py)?.unbind()]),
            Data::Fragments(pieces) => {
                pieces.into_iter().map(|one| Ok(one.into_bytes(py)?.unbind())).collect()
            }
        }
    }

    fn make_listener_form(&self, message: &Py<PyAny>) -> Py<PyAny> {
        let py = self.py();
        let text = message.bind(py).cast::<PyString>().ok().and_then(|text| text.to_str().ok());
        text.map_or_else(
            || message.clone_ref(py),
            |text| PyBytes::new(py, text.as_bytes()).into_any().unbind(),
        )
    }

    fn join_pieces(&self, pieces: Vec<Py<PyBytes>>) -> PyResult<Py<PyAny>> {
        Ok(PyList::new(self.py(), pieces)?.into_any().unbind())
    }

    fn as_slice<'a>(&'a self, bytes: &'a Py<PyBytes>) -> &'a [u8] {
        bytes.as_bytes(self.py())
    }

    #[inline]
    fn call_listener(&self, listener: Py<PyAny>, message: Py<PyAny>, binary: bool) {
        let (py, this) = (self.py(), self.get());
        this.context.run(py, || match listener.call1(py, (message, binary)) {
            Ok(result) if is_of_no_interest(result.bind(py)) => {}
            Ok(result) => this.tell_owner_here(py, "_on_listener_result", (result,)),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                this.tell_owner_here(py, "_on_listener_error", (error.into_value(py),));
            }
            Err(error) => this.reactor(py).keep_error(py, error),
        });
    }

    fn tell(&self, news: News<PyObjects>) {
        let (py, this) = (self.py(), self.get());
        match news {
            News::Ping(data) => this.tell_owner(py, "_on_ping", (data,)),
            News::Pong(data) => this.tell_owner(py, "_on_pong", (data,)),
            News::Close(code, reason) => this.tell_owner(py, "_on_close_frame", (code, reason)),
            News::Fail(error) => {
                let said = (error.code(), error.close_code(), error.to_string());
                this.tell_owner(py, "_on_fail", said);
            }
            News::Stalled => this.tell_owner(py, "_on_stalled", ()),
            News::End => this.tell_owner(py, "_on_end", ()),
            News::Lost => {
                let error = this.state.with(py, State::take_lost_error);
                this.tell_owner(py, "_on_lost", (error,));
            }
        }
    }

    fn report(&self, error: PyErr) {
        let reactor = self.get().reactor(self.py());
        reactor.report(self.py(), "a message could not be delivered", error);
    }

    fn send_pong(&self, data: &[u8]) {
        control::send_auto_pong(self, data);
    }

    #[inline]
    fn wake_receiver(&self) {
        inbox::wake_receiver(self);
    }

    fn is_awaited(&self) -> bool {
        self.get().state.with(self.py(), |state| state.receivers.is_waiting(self.py()))
    }

    fn soon(&self, what: Soon) {
        let method = match what {
            Soon::NextTick => "_next_tick",
            Soon::GoOn => "_go_on",
        };
        self.get().reactor(self.py()).call_method_soon(self.as_any(), method, self.as_any());
    }

    #[cold]
    fn is_slice_over(&self) -> bool {
        slices::is_over(self.get().reactor_bound(self.py()))
    }

    fn wait_for_slice(&self) {
        slices::wait(self.get().reactor_bound(self.py()), self.clone().unbind());
    }

    #[cold]
    fn switch_reading(&self, off: bool) {
        let (py, this) = (self.py(), self.get());
        let Some(transport) = this.transport_object(py) else { return };
        let method = if off { intern!(py, "pause_reading") } else { intern!(py, "resume_reading") };
        // The transports of some loops refuse this while they are closing.
        let closing = transport.call_method0(py, intern!(py, "is_closing"));
        let outcome = match closing.and_then(|closing| closing.is_truthy(py)) {
            Ok(false) => transport.call_method0(py, method).map(drop),
            other => other.map(drop),
        };
        if let Err(error) = outcome {
            this.reactor(py).report(py, "the transport's flow control failed", error);
        }
    }

    fn inflate(&self, work: Box<Work<BytesBuffer>>) -> bool {
        inflate::inflate(self, work)
    }

    fn flush_answers(&self) {
        flush::flush_answers(self);
    }

    fn close_wire(&self) {
        asyncio_protocol::close(self);
    }
}

/// True for what listeners usually return: nothing, or the result of `send`.
#[inline]
fn is_of_no_interest(result: &Bound<'_, PyAny>) -> bool {
    result.is_none()
        || result.is_exact_instance_of::<Done>()
        || result.is_exact_instance_of::<Awaitable>()
}
