"""`verify_client`: the program's own check of a request, and how its verdict arrives.

Rules kept here: only one verdict counts; if none arrives in time, the request is refused with 503; a client
that hangs up meanwhile gets no WebSocket; bytes that come early are kept, and nothing is read after
them; however `verify_client` ends, even by a cancellation or an interrupt, the request is answered; what
`verify_client` sets, also in its task, belongs to the context of the connection, and what the caller of its
callback has set does not.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from typing import Any

from wsrs._aio.callbacks import keep
from wsrs._backend.context import run_in
from wsrs._net.hang_up import has_hung_up
from wsrs.http._messages import HeadersLike
from wsrs.http._protocol import ServerProtocol

__all__ = ["Verdict", "VerifyInfo", "wants_callback"]


_asked: ContextVar[object] = ContextVar("wsrs_verify_client")
"""Which request it is that a `verify_client` with a callback was asked about, here or where this context was
copied."""


class VerifyInfo(Mapping[str, Any]):
    """The argument of `verify_client`: `origin`, `secure`, `req`, as attributes and, as in ws, by name."""

    __slots__ = ("origin", "req", "secure")

    def __init__(self, origin: str | None, secure: bool, req: Any) -> None:
        self.origin = origin
        self.secure = secure
        self.req = req

    def __getitem__(self, name: str) -> Any:
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Any:
        return iter(self.__slots__)

    def __len__(self) -> int:
        return len(self.__slots__)


class Verdict:
    """The verdict on one request. A `verify_client` that takes a callback calls it (ws's `cb`)."""

    __slots__ = (
        "_accept",
        "_context",
        "_given",
        "_has_waited",
        "_mark",
        "_refuse",
        "_report",
        "_task",
        "_timed_out",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        accept: Callable[[], None],
        refuse: Callable[..., None],
        report: Callable[[str, BaseException], None],
    ) -> None:
        self._transport = transport
        self._context = copy_context()
        self._mark: object = None
        """The value of `_asked`, if there is a callback: anybody may call that, anywhere."""
        self._accept = accept
        self._refuse = refuse
        self._report = report
        self._given = False
        self._timed_out = False
        self._has_waited = False
        """The verdict was not given at once, and a foreign transport has read nothing since."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def ask(
        self, verify: Callable[..., Any], info: VerifyInfo, *, has_callback: bool, timeout: float
    ) -> None:
        """Call `verify`. A verdict that is not given at once may take `timeout` seconds (0: for ever)."""
        self._context.run(self._ask, verify, info, has_callback, timeout)

    def _ask(self, verify: Callable[..., Any], info: VerifyInfo, has_callback: bool, timeout: float) -> None:
        if has_callback:
            self._mark = object()
            _asked.set(self._mark)
        loop = asyncio.get_running_loop()
        try:
            answer = verify(info, self) if has_callback else verify(info)
        except Exception as error:
            self._failed(error)
            return
        except asyncio.CancelledError:
            self._cancelled()
            return
        except BaseException:
            self._interrupted()
            raise
        if inspect.isawaitable(answer):
            self._task = loop.create_task(self._wait(answer, has_callback))
            self._task.add_done_callback(self._ended)
            keep(self._task)
        elif not has_callback:
            self(answer)
        if self._given or self._transport.is_closing():
            return
        self._read_no_more()
        if timeout:
            self._timer = loop.call_later(timeout, self._expired)

    def _read_no_more(self) -> None:
        protocol = self._transport.get_protocol()
        if isinstance(protocol, ServerProtocol):
            protocol.keep_early()
            return
        # Its protocol would take what comes early. So the end of the connection is not seen either.
        self._has_waited = True
        if self._transport.is_reading():
            self._transport.pause_reading()

    def __call__(
        self,
        result: object,
        code: int | None = None,
        name: str | None = None,
        headers: HeadersLike | None = None,
    ) -> None:
        """Accept the request if `result` is true, else refuse it: `code` (401), body `name`, `headers`.

        Raises RuntimeError for a second verdict, TypeError or ValueError for an answer that cannot be sent. A
        verdict that comes too late is ignored.
        """
        if self._timed_out:
            return
        if self._given:
            raise RuntimeError("verify_client has given its verdict on this request already")
        if result:
            self._done()
            if self._has_waited and not self._transport.is_closing() and has_hung_up(self._transport):
                self._transport.abort()
            if self._mark is None or _asked.get(None) is self._mark:
                self._accept()
            else:
                run_in(self._context, self._accept)
        else:
            self._refuse(code or 401, name, headers or ())
            self._done()

    def _done(self) -> None:
        self._given = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _wait(self, answer: Any, has_callback: bool) -> None:
        try:
            result = await answer
            if not has_callback:
                self(result)
        except asyncio.CancelledError:
            raise  # `_ended` handles it, and also the cancellation of a task that has not begun
        except Exception as error:
            self._failed(error)
        except BaseException:
            self._interrupted()
            raise

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._cancelled()

    def _cancelled(self) -> None:
        """Refuse: the program has cancelled the check, which is no fault and is not reported."""
        if not self._given:
            self._done()
            self._refuse(503, "verify_client was cancelled")

    def _interrupted(self) -> None:
        """Refuse: SystemExit and the like end the program, and are raised instead of reported."""
        if not self._given:
            self._done()
            self._refuse(500)

    def _failed(self, error: BaseException) -> None:
        self._report("verify_client", error)
        if not self._given:
            self._done()
            self._refuse(500)

    def _expired(self) -> None:
        self._timer = None
        self._given = self._timed_out = True
        if self._task is not None:
            self._task.cancel()
        self._refuse(503, "verify_client did not decide in time")


def wants_callback(verify: Callable[..., Any]) -> bool:
    """Whether `verify_client` takes the callback too: it has two positional parameters without a default.

    ws looks at the function's `length`, which counts the same. Raises TypeError for a function that can be
    called neither with one argument nor with two. One whose signature cannot be read is called with one.
    """
    try:
        signature = inspect.signature(verify)
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = sum(each.kind in kinds and each.default is each.empty for each in signature.parameters.values())
    try:
        signature.bind(*(None,) * (2 if needed >= 2 else 1))
    except TypeError:
        wanted = "one parameter (info) or two (info, callback)"
        raise TypeError(f"verify_client must take {wanted}, not {signature} as {verify!r} does") from None
    return needed >= 2
