//! The order of the end: what the owner is told of the incoming half, and how the outgoing half ends.

/// Something that is told once.
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

    /// Tells it, if it is due.
    const fn tell(&mut self) {
        if matches!(self, Self::Due) {
            *self = Self::Told;
        }
    }
}

/// How the outgoing half ends: each is more than the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It does not.
    #[default]
    Open,
    /// The transport's writing half is ended.
    Half,
    /// The transport is closed.
    Whole,
}

/// What the owner is to be told now: the end of what the peer sends, then the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The peer's FIN.
    pub eof: bool,
    /// The transport is gone.
    pub lost: bool,
}

impl Ends {
    /// Whether there is anything to tell.
    pub const fn any(self) -> bool {
        self.eof || self.lost
    }
}

/// How far the end of a connection has come.
#[derive(Debug, Default)]
pub struct End {
    eof: Telling,
    lost: Telling,
    /// What was asked for: nothing is queued any more, and when all is written, it is done.
    asked: Ending,
    /// What was done of it.
    done: Ending,
    /// There is something that carries bytes.
    is_connected: bool,
}

impl End {
    /// There is a transport, or a socket.
    pub const fn connect(&mut self) {
        self.is_connected = true;
    }

    /// It is given up, or gone.
    pub const fn disconnect(&mut self) {
        self.is_connected = false;
    }

    /// Whether there is a transport, or a socket.
    #[inline]
    pub const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// The peer's FIN came.
    pub const fn receive_eof(&mut self) {
        self.eof.happen();
    }

    /// The transport is gone.
    pub const fn lose(&mut self) {
        self.is_connected = false;
        self.lost.happen();
    }

    /// Whether the transport is gone.
    #[inline]
    pub const fn is_lost(&self) -> bool {
        !matches!(self.lost, Telling::Nothing)
    }

    /// What the owner was not told yet.
    #[inline]
    pub const fn untold(&self) -> Ends {
        Ends { eof: matches!(self.eof, Telling::Due), lost: matches!(self.lost, Telling::Due) }
    }

    /// The owner is told of `ends`.
    pub const fn tell(&mut self, ends: Ends) {
        if ends.eof {
            self.eof.tell();
        }
        if ends.lost {
            self.lost.tell();
        }
    }

    /// The end is asked for: `how`, at least.
    pub fn ask(&mut self, how: Ending) {
        self.asked = self.asked.max(how);
    }

    /// Whether nothing was asked for.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.asked == Ending::Open
    }

    /// Whether nothing was done of it.
    pub fn is_undone(&self) -> bool {
        self.done == Ending::Open
    }

    /// What is to be done now, if anything is left; it counts as done.
    pub fn take_due(&mut self) -> Option<Ending> {
        let due = self.is_connected && self.asked != self.done;
        due.then(|| {
            self.done = self.asked;
            self.done
        })
    }
}
