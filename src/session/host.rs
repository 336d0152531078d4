//! The seam to the language that runs a session: the types of its objects, and what is asked of it.

use super::Session;
use crate::protocol::buffer::MessageBuffer;
use crate::protocol::deflate::Codec;
use crate::protocol::error::ProtocolError;
use crate::protocol::receiver::{Data, Work};

/// The objects that a session passes through without looking into them.
pub trait Objects {
    /// The memory that a long message grows in.
    type Buffer: MessageBuffer;
    /// The program's listener for messages.
    type Listener;
    /// A message as it waits for `recv`: text as text, unless it was not validated.
    type Message;
    /// The bytes of a ping, a pong, a close reason or a fragment.
    type Bytes;
    /// Why an object could not be made.
    type Error;
    /// What is called once a frame is written out.
    type Callback;
    /// The payload of a frame that waits for a thread.
    type Payload: AsRef<[u8]>;
}

/// How the program wants a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Immutable bytes: ws's "nodebuffer".
    Bytes,
    /// Mutable bytes: ws's "arraybuffer".
    ByteArray,
    /// The bytes of each fragment: ws's "fragments".
    Fragments,
    /// Text, which was validated.
    Text,
}

/// What the owner of a connection is told.
#[derive(Debug, PartialEq, Eq)]
pub enum News<O: Objects> {
    /// A ping came.
    Ping(O::Bytes),
    /// A pong came.
    Pong(O::Bytes),
    /// The peer's close frame came: its code and reason. Nothing is read as a frame after it.
    Close(u16, O::Bytes),
    /// The peer broke the protocol or a limit. Nothing is read as a frame after it.
    Fail(ProtocolError),
    /// The inbox is full and no task has asked for messages: reading stops.
    Stalled,
    /// The peer's FIN came.
    End,
    /// The transport is gone: once, last of all.
    Lost,
}

/// What the next tick is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soon {
    /// [`next_tick`](super::delivery::next_tick).
    NextTick,
    /// [`go_on`](super::delivery::go_on).
    GoOn,
}

/// A connection, as its session sees it.
///
/// Methods named `make_…` run no program's code, since they are called while the session is lent. All others
/// are called with nothing lent, and may do anything with the connection.
pub trait Host {
    /// The types of its objects.
    type Objects: Objects;

    /// Lends the session.
    fn with<R>(&self, act: impl FnOnce(&mut Session<Self::Objects>) -> R) -> R;

    /// Lends the session and the codec that it shares with others.
    fn with_codec<R>(&self, act: impl FnOnce(&mut Session<Self::Objects>, &mut Codec) -> R) -> R;

    /// Another reference to the listener.
    fn make_listener(&self, kept: &Listener<Self>) -> Listener<Self>;

    /// An object of `data`.
    fn make_bytes(&self, data: &[u8]) -> Bytes<Self>;

    /// A message in one of the forms that are one object: not [`Form::Fragments`].
    ///
    /// # Errors
    /// There is no memory for it.
    fn make_message(
        &self,
        data: Data<'_, Buffer<Self>>,
        form: Form,
    ) -> Result<Message<Self>, Error<Self>>;

    /// The fragments of a message.
    ///
    /// # Errors
    /// There is no memory for them.
    fn make_pieces(&self, data: Data<'_, Buffer<Self>>) -> Result<Vec<Bytes<Self>>, Error<Self>>;

    /// What the listener gets of a message that is in the inbox, or goes there too: the bytes of text, any
    /// other message itself.
    fn make_listener_form(&self, message: &Message<Self>) -> Message<Self>;

    /// A message of its fragments. Making it may run a program's finalisers.
    ///
    /// # Errors
    /// There is no memory for it.
    fn join_pieces(&self, pieces: Vec<Bytes<Self>>) -> Result<Message<Self>, Error<Self>>;

    /// The bytes of what [`Host::make_bytes`] made.
    fn as_slice<'a>(&'a self, bytes: &'a Bytes<Self>) -> &'a [u8];

    /// Calls the listener.
    fn call_listener(&self, listener: Listener<Self>, message: Message<Self>, binary: bool);

    /// Tells the owner.
    fn tell(&self, news: News<Self::Objects>);

    /// A message could not be delivered.
    fn report(&self, error: Error<Self>);

    /// Answers a ping with its data.
    fn send_pong(&self, data: &[u8]);

    /// Wakes the task that waits for a message, if one does.
    fn wake_receiver(&self);

    /// Whether a task waits for a message at this moment.
    fn is_awaited(&self) -> bool;

    /// Has a function of [`delivery`](super::delivery) called in the next tick.
    fn soon(&self, what: Soon);

    /// Has the transport stop reading, or read again.
    fn switch_reading(&self, off: bool);

    /// Inflates what the receiver has left: true if that is done, false if a thread does it.
    fn inflate(&self, work: Box<Work<Buffer<Self>>>) -> bool;

    /// Writes what was queued while messages were delivered, where that does not happen by itself.
    fn flush_answers(&self);

    /// Closes the transport once what is queued is written.
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
