"""The order of the end: what the owner is told of the incoming half, and how the outgoing half ends."""

from __future__ import annotations

__all__ = ["HALF", "OPEN", "WHOLE", "End"]

OPEN, HALF, WHOLE = range(3)
"""How the outgoing half ends, each more than the one before: it does not; the transport's writing half ends;
the transport is closed."""


class End:
    """How far the end of the incoming half has come: the peer's FIN, then the loss of the transport."""

    __slots__ = ("_eof", "_lost_told", "error", "is_lost", "is_untold")

    def __init__(self) -> None:
        self._eof: bool | None = None
        """False: the peer's FIN has come. True: the owner was told."""
        self.is_lost = False
        """The transport is gone."""
        self._lost_told = False
        self.error: BaseException | None = None
        """Why it is gone."""
        self.is_untold = False
        """There is something to tell."""

    def receive_eof(self) -> None:
        """The peer's FIN came."""
        if self._eof is None:
            self._eof = False
            self.is_untold = True

    def lose(self, error: BaseException | None) -> None:
        """The transport is gone."""
        self.is_lost = self.is_untold = True
        self.error = error

    def take_eof(self) -> bool:
        """Whether the owner is to be told of the FIN now: once."""
        due = self._eof is False
        if due:
            self._eof = True
            self.is_untold = self.owes_loss
        return due

    @property
    def owes_loss(self) -> bool:
        """Whether the owner is yet to be told of the loss."""
        return self.is_lost and not self._lost_told

    def take_loss(self) -> bool:
        """Whether the owner is to be told of the loss now: once, last of all."""
        due = self.owes_loss
        if due:
            self._lost_told = True
            self.is_untold = False
        return due
