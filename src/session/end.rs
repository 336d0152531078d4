//! The order of the end: what the owner is notified of when the incoming half ends, and how the outgoing half
//! ends.

/// A notification that is given once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Telling {
    #[default]
    Nothing,
    Due,
    Told,
}

impl Telling {
    const fn happen(&mut self) {
        if matches!(self, Self::Nothing) {
            *self = Self::Due;
        }
    }

    /// Gives the notification, if it is due.
    const fn tell(&mut self) {
        if matches!(self, Self::Due) {
            *self = Self::Told;
        }
    }
}

/// How the outgoing half ends, in order of severity: each includes the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It does not end.
    #[default]
    Open,
    /// The transport's writing half is ended.
    Half,
    /// The transport is closed.
    Whole,
}

/// The ends of which the owner has to be notified now: the end of the incoming half, then the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The peer's FIN was received.
    pub eof: bool,
    /// The transport is gone.
    pub lost: bool,
}

impl Ends {
    /// Returns true if there is anything to notify of.
    pub const fn any(self) -> bool {
        self.eof || self.lost
    }
}

/// How far the end of a connection has come.
#[derive(Debug, Default)]
pub struct End {
    eof: Telling,
    lost: Telling,
    /// The end that was asked for: nothing more is queued, and the end is carried out once all is written.
    asked: Ending,
    /// The part of it that is already carried out.
    done: Ending,
    /// Whether there is a transport or a socket that carries bytes.
    is_connected: bool,
}

impl End {
    /// There is now a transport or a socket.
    pub const fn connect(&mut self) {
        self.is_connected = true;
    }

    /// The transport or socket is given up, or gone.
    pub const fn disconnect(&mut self) {
        self.is_connected = false;
    }

    /// Returns true if there is a transport or a socket.
    #[inline]
    pub const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// The peer's FIN was received.
    pub const fn receive_eof(&mut self) {
        self.eof.happen();
    }

    /// The transport is gone.
    pub const fn lose(&mut self) {
        self.is_connected = false;
        self.lost.happen();
    }

    /// Returns true if the transport is gone.
    #[inline]
    pub const fn is_lost(&self) -> bool {
        !matches!(self.lost, Telling::Nothing)
    }

    /// Returns the ends of which the owner was not notified yet.
    #[inline]
    pub const fn untold(&self) -> Ends {
        Ends { eof: matches!(self.eof, Telling::Due), lost: matches!(self.lost, Telling::Due) }
    }

    /// Notes that the owner is notified of `ends`.
    pub const fn tell(&mut self, ends: Ends) {
        if ends.eof {
            self.eof.tell();
        }
        if ends.lost {
            self.lost.tell();
        }
    }

    /// Asks for the end: `how`, at least.
    pub fn ask(&mut self, how: Ending) {
        self.asked = self.asked.max(how);
    }

    /// Returns true if no end was asked for.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.asked == Ending::Open
    }

    /// Returns true if no part of the end is carried out yet.
    pub fn is_undone(&self) -> bool {
        self.done == Ending::Open
    }

    /// Takes the end that is to be carried out now, if any is left; it then counts as carried out.
    pub fn take_due(&mut self) -> Option<Ending> {
        let due = self.is_connected && self.asked != self.done;
        due.then(|| {
            self.done = self.asked;
            self.done
        })
    }
}
