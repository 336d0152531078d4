//! The seam to the language that runs a session: the types of its objects, and the calls that a session
//! makes.

use super::Session;
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::Codec;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Data, Work};

/// The types of objects that a session passes on without looking into them.
pub trait Objects {
    /// The buffer in which a long message is received.
    type Buffer: MessageBuffer;
    /// The program's listener for messages.
    type Listener;
    /// A message as it waits for `recv`: text is a text object, unless it was not validated.
    type Message;
    /// The bytes of a ping, a pong, a close reason or a fragment.
    type Bytes;
    /// The error raised when an object could not be made.
    type Error;
    /// The callback that is called once a frame is written out.
    type Callback;
    /// The payload of a frame that waits for a thread.
    type Payload: AsRef<[u8]>;
}

/// The form in which the program wants a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Immutable bytes: ws's "nodebuffer".
    Bytes,
    /// Mutable bytes: ws's "arraybuffer".
    ByteArray,
    /// The bytes of each fragment: ws's "fragments".
    Fragments,
    /// Text that was validated.
    Text,
}

/// The notifications that the owner of a connection gets.
#[derive(Debug, PartialEq, Eq)]
pub enum News<O: Objects> {
    /// A ping was received.
    Ping(O::Bytes),
    /// A pong was received.
    Pong(O::Bytes),
    /// The peer's close frame was received, with its code and reason. No frame is read after it.
    Close(u16, O::Bytes),
    /// The peer violated the protocol or a limit. No frame is read after it.
    Fail(ProtocolError),
    /// The inbox is full and no task has asked for messages: reading stops.
    Stalled,
    /// The peer's FIN was received.
    End,
    /// The transport is gone. This comes once, last of all.
    Lost,
}

/// What the next tick has to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soon {
    /// [`next_tick`](super::delivery::next_tick).
    NextTick,
    /// [`go_on`](super::delivery::go_on).
    GoOn,
}

/// A connection, as its session sees it.
///
/// Methods named `make_…` must not run code of the program, since they are called while the session is
/// borrowed. All others are called while nothing is borrowed, and may do anything with the connection.
pub trait Host {
    /// The types of its objects.
    type Objects: Objects;

    /// Lends the session to a function.
    fn with<R>(&self, act: impl FnOnce(&mut Session<Self::Objects>) -> R) -> R;

    /// Lends the session, and the codec that it shares with others, to a function.
    fn with_codec<R>(&self, act: impl FnOnce(&mut Session<Self::Objects>, &mut Codec) -> R) -> R;

    /// Makes another reference to the listener.
    fn make_listener(&self, kept: &Listener<Self>) -> Listener<Self>;

    /// Makes a bytes object of `data`.
    fn make_bytes(&self, data: &[u8]) -> Bytes<Self>;

    /// Makes a message in one of the forms that are a single object, which excludes [`Form::Fragments`].
    ///
    /// # Errors
    /// Fails if there is no memory for it.
    fn make_message(
        &self,
        data: Data<'_, Buffer<Self>>,
        form: Form,
    ) -> Result<Message<Self>, Error<Self>>;

    /// Makes the fragments of a message.
    ///
    /// # Errors
    /// Fails if there is no memory for them.
    fn make_pieces(&self, data: Data<'_, Buffer<Self>>) -> Result<Vec<Bytes<Self>>, Error<Self>>;

    /// Makes what the listener receives for a message that is in the inbox, or is put there too: the bytes of
    /// a text, and any other message itself.
    fn make_listener_form(&self, message: &Message<Self>) -> Message<Self>;

    /// Joins the fragments of a message. This may run finalisers of the program.
    ///
    /// # Errors
    /// Fails if there is no memory for it.
    fn join_pieces(&self, pieces: Vec<Bytes<Self>>) -> Result<Message<Self>, Error<Self>>;

    /// Returns the bytes of an object from [`Host::make_bytes`].
    fn as_slice<'a>(&'a self, bytes: &'a Bytes<Self>) -> &'a [u8];

    /// Calls the listener.
    fn call_listener(&self, listener: Listener<Self>, message: Message<Self>, binary: bool);

    /// Notifies the owner.
    fn tell(&self, news: News<Self::Objects>);

    /// Reports that a message could not be delivered.
    fn report(&self, error: Error<Self>);

    /// Answers a ping with its data.
    fn send_pong(&self, data: &[u8]);

    /// Wakes the task that waits for a message, if there is one.
    fn wake_receiver(&self);

    /// Returns true if a task waits for a message at this moment.
    fn is_awaited(&self) -> bool;

    /// Schedules a function of [`delivery`](super::delivery) for the next tick.
    fn soon(&self, what: Soon);

    /// Returns true if the loop's time slice is over, by a look at the clock.
    fn is_slice_over(&self) -> bool;

    /// Schedules [`next_slice`](super::delivery::next_slice) for the next slice in which there is time for
    /// it, after the connections that wait already.
    fn wait_for_slice(&self);

    /// Makes the transport stop reading, or read again.
    fn switch_reading(&self, off: bool);

    /// Inflates the work that the receiver has left. Returns true if that is done, false if a thread does it.
    fn inflate(&self, work: Box<Work<Buffer<Self>>>) -> bool;

    /// Writes what was queued during delivery, where that does not happen by itself.
    fn flush_answers(&self);

    /// Closes the transport once the queue is written.
    fn close_wire(&self);
}

type Types<H> = <H as Host>::Objects;
/// A host's listener.
pub type Listener<H> = <Types<H> as Objects>::Listener;
/// A host's message.
pub type Message<H> = <Types<H> as Objects>::Message;
/// A host's bytes.
pub type Bytes<H> = <Types<H> as Objects>::Bytes;
/// A host's error.
pub type Error<H> = <Types<H> as Objects>::Error;
/// A host's memory for messages.
pub type Buffer<H> = <Types<H> as Objects>::Buffer;
