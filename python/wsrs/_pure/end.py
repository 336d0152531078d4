"""The order of the end: what the owner is notified of, and how the outgoing half ends."""

from __future__ import annotations

__all__ = ["HALF", "OPEN", "WHOLE", "End"]

OPEN, HALF, WHOLE = range(3)
"""How the outgoing half ends, in order of severity: it does not; the transport's writing half ends; the
transport is closed."""


class End:
    """How far the end of the incoming half has come: the peer's FIN, then the loss of the transport."""

    __slots__ = ("_eof", "_lost_told", "error", "is_lost", "is_untold")

    def __init__(self) -> None:
        self._eof: bool | None = None
        """None: the peer's FIN was not received. False: it was. True: the owner was notified of it."""
        self.is_lost = False
        """True once the transport is gone."""
        self._lost_told = False
        self.error: BaseException | None = None
        """The error with which it was lost, if there was one."""
        self.is_untold = False
        """True while the owner has to be notified of an end."""

    def receive_eof(self) -> None:
        """The peer's FIN was received."""
        if self._eof is None:
            self._eof = False
            self.is_untold = True

    def lose(self, error: BaseException | None) -> None:
        """The transport is gone."""
        self.is_lost = self.is_untold = True
        self.error = error

    def take_eof(self) -> bool:
        """Whether the owner has to be notified of the FIN now. True only once."""
        due = self._eof is False
        if due:
            self._eof = True
            self.is_untold = self.owes_loss
        return due

    @property
    def owes_loss(self) -> bool:
        """Whether the transport is lost and the owner was not notified of that yet."""
        return self.is_lost and not self._lost_told

    def take_loss(self) -> bool:
        """Whether the owner has to be notified of the loss now. True only once, last of all."""
        due = self.owes_loss
        if due:
            self._lost_told = True
            self.is_untold = False
        return due
