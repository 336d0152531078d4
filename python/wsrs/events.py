"""`EventEmitter`: Node's, for asyncio.

Rules kept here:

- The listeners of an event are called in order, in the tick of the `emit`. A listener that raises
  disturbs neither the others nor the caller: its exception goes to `loop.call_exception_handler`.
- A coroutine function is a listener too: it runs as a task, kept referenced until it is done, and its
  exception goes to `'error'`.
- An `'error'` event without a listener goes to `loop.call_exception_handler`. Outside a loop, where there is
  no such handler, both are raised.
- Adding and removing listeners while they are called is safe, and counts from the next `emit` on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from wsrs._aio.callbacks import run
from wsrs._options.spelling import link_spellings
from wsrs.errors import ConnectionClosed

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EventEmitter", "Listener"]

Listener = Callable[..., object]
_L = TypeVar("_L", bound=Callable[..., object])

EVENT_SPELLINGS: Mapping[str, str] = {
    "tls_client_error": "tlsClientError",
    "ws_client_error": "wsClientError",
    "unexpected_response": "unexpected-response",
}
"""Events whose name in ws is no PEP 8 name: listeners may use either spelling."""


class _Once:
    """A listener that removes itself before its first call; `listener` is the one that the program gave."""

    __slots__ = ("_emitter", "_event", "listener")

    def __init__(self, emitter: EventEmitter, event: str, listener: Listener) -> None:
        self._emitter = emitter
        self._event = event
        self.listener = listener

    def __call__(self, *args: Any) -> object:
        self._emitter._remove(self._event, self)
        return self.listener(*args)


class EventEmitter:
    """An object with events that functions and coroutine functions listen to."""

    # One slot: None, or a dict from an event to its listener or its tuple of listeners.
    __slots__ = ("__dict__", "__weakref__", "_events")

    _events: dict[str, Listener | tuple[Listener, ...]] | None
    _spellings: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self._events = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        known = {
            ws: pep8
            for base in reversed(cls.__mro__[1:])
            for ws, pep8 in getattr(base, "_spellings", {}).items()
        }
        cls._spellings = link_spellings(cls, known)

    # Adding -----------------------------------------------------------------------------------

    @overload
    def on(self, event: str, listener: Listener) -> Self: ...
    @overload
    def on(self, event: str) -> Callable[[_L], _L]: ...
    def on(self, event: str, listener: Listener | None = None) -> Any:
        """Add a listener, after those already there. Without `listener`: a decorator that adds one."""
        if listener is None:
            return self._decorator(self.on, event)
        return self._add(event, listener, first=False)

    @overload
    def once(self, event: str, listener: Listener) -> Self: ...
    @overload
    def once(self, event: str) -> Callable[[_L], _L]: ...
    def once(self, event: str, listener: Listener | None = None) -> Any:
        """As `on`, for a listener that is called at most once."""
        if listener is None:
            return self._decorator(self.once, event)
        return self._add(event, self._once(event, listener), first=False)

    def add_listener(self, event: str, listener: Listener) -> Self:
        """The same as `on(event, listener)`."""
        return self._add(event, listener, first=False)

    def prepend_listener(self, event: str, listener: Listener) -> Self:
        """Add a listener before those already there."""
        return self._add(event, listener, first=True)

    def prepend_once_listener(self, event: str, listener: Listener) -> Self:
        """Add a listener before those already there, to be called at most once."""
        return self._add(event, self._once(event, listener), first=True)

    @staticmethod
    def _decorator(add: Callable[[str, _L], object], event: str) -> Callable[[_L], _L]:
        def decorate(listener: _L) -> _L:
            add(event, listener)
            return listener

        return decorate

    def _once(self, event: str, listener: Listener) -> Listener:
        self._check(event, listener)
        return _Once(self, EVENT_SPELLINGS.get(event, event), listener)

    @staticmethod
    def _check(event: object, listener: object) -> None:
        if not isinstance(event, str):
            raise TypeError(f"an event is named by a str, not {type(event).__name__}")
        if not callable(listener):
            raise TypeError(f"the listener of {event!r} must be callable, not {type(listener).__name__}")

    def _add(self, event: str, listener: Listener, *, first: bool) -> Self:
        self._check(event, listener)
        event = EVENT_SPELLINGS.get(event, event)
        if self._events is None:
            self._events = {}
        present = self._events.get(event)
        if present is None:
            self._events[event] = listener
        else:
            # A new tuple each time: an `emit` that goes through the old one is not disturbed.
            several = present if type(present) is tuple else (present,)
            self._events[event] = (listener, *several) if first else (*several, listener)
        self._listeners_changed(event, added=True)
        return self

    # Removing ---------------------------------------------------------------------------------

    def off(self, event: str, listener: Listener) -> Self:
        """Remove `listener`. If it was added several times, the last one is removed."""
        self._remove(EVENT_SPELLINGS.get(event, event), listener)
        return self

    def remove_listener(self, event: str, listener: Listener) -> Self:
        """The same as `off`."""
        return self.off(event, listener)

    def remove_all_listeners(self, event: str | None = None) -> Self:
        """Remove the listeners of `event`, or all of them."""
        if event is None:
            for name in self.event_names():
                self.remove_all_listeners(name)
        elif self._events and self._events.pop(EVENT_SPELLINGS.get(event, event), None):
            self._listeners_changed(EVENT_SPELLINGS.get(event, event), added=False)
        return self

    def _remove(self, event: str, listener: Listener) -> None:
        present = self._raw(event)
        for place in range(len(present) - 1, -1, -1):
            candidate = present[place]
            # `==`, because every access to a method makes a new bound method.
            if candidate == listener or (type(candidate) is _Once and candidate.listener == listener):
                break
        else:
            return
        assert self._events is not None
        left = present[:place] + present[place + 1 :]
        if not left:
            del self._events[event]
        else:
            self._events[event] = left[0] if len(left) == 1 else left
        self._listeners_changed(event, added=False)

    def _listeners_changed(self, event: str, *, added: bool) -> None:
        """A hook for subclasses: a listener of `event` was added or removed."""

    # Asking -----------------------------------------------------------------------------------

    def _raw(self, event: str) -> tuple[Listener, ...]:
        present = self._events.get(event) if self._events else None
        if present is None:
            return ()
        return present if type(present) is tuple else (present,)  # type: ignore[return-value]

    def _lone_listener(self, event: str) -> Listener | None:
        """The listener of `event` if there is one alone, and it is not to be called only once."""
        present = self._events.get(event) if self._events else None
        is_lone = type(present) is not tuple and type(present) is not _Once
        return present if is_lone else None  # type: ignore[return-value]

    def listeners(self, event: str) -> list[Listener]:
        """The listeners of `event`, as they were given."""
        raw = self.raw_listeners(event)
        return [each.listener if isinstance(each, _Once) else each for each in raw]

    def raw_listeners(self, event: str) -> list[Listener]:
        """The listeners of `event`; those added by `once` in their wrapper, which has `listener`."""
        return list(self._raw(EVENT_SPELLINGS.get(event, event)))

    def listener_count(self, event: str) -> int:
        """How many listeners `event` has."""
        return len(self._raw(EVENT_SPELLINGS.get(event, event)))

    def event_names(self) -> list[str]:
        """The events that have listeners."""
        return list(self._events or ())

    # Emitting ---------------------------------------------------------------------------------

    def emit(self, event: str, *args: Any) -> bool:
        """Call the listeners of `event` with `args`. Returns whether there were any."""
        listener = self._events.get(event) if self._events else None
        if listener is None:
            other = EVENT_SPELLINGS.get(event)
            if other is not None:
                return self.emit(other, *args)
            if event == "error":
                self._unheard_error(*args)
            return False
        if type(listener) is tuple:
            for each in listener:
                self._call(event, each, args)
        else:
            self._call(event, listener, args)  # type: ignore[arg-type]
        return True

    def _call(self, event: str, listener: Listener, args: tuple[Any, ...]) -> None:
        try:
            result = listener(*args)
        except Exception as error:
            self._listener_raised(event, error, listener)
        else:
            if result is not None:
                self._listener_returned(event, result, self._task_context(event, args))

    def _task_context(self, event: str, args: tuple[Any, ...]) -> Context | None:
        """A hook for subclasses: the context in which the task of a listener runs; None for a copy of the
        current one."""
        return None

    def _listener_returned(self, event: str, result: object, context: Context | None = None) -> None:
        """Run the coroutine of a coroutine function. Other results are ignored."""
        if asyncio.iscoroutine(result):
            run(result, partial(self._task_done, event), context)

    def _task_done(self, event: str, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, ConnectionClosed):
            return  # a task that talks to a peer until the peer is gone ends in this way
        if event == "error" or not self.listener_count("error"):
            self._report(f"Exception in the task of a listener of {event!r} of {self!r}", error, task=task)
        else:
            self.emit("error", error)

    def _listener_raised(self, event: str, error: BaseException, listener: object = None) -> None:
        context = {} if listener is None else {"listener": listener}
        self._report(f"Exception in a listener of {event!r} of {self!r}", error, **context)

    def _unheard_error(self, *args: Any) -> None:
        error = args[0] if args and isinstance(args[0], BaseException) else RuntimeError(*args)
        self._report(f"'error' event without a listener on {self!r}", error)

    def _report(self, message: str, error: BaseException, **context: object) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise error from None
        loop.call_exception_handler({"message": message, "exception": error, "emitter": self, **context})

    # ws's (Node's) names ----------------------------------------------------------------------

    addListener = add_listener
    prependListener = prepend_listener
    prependOnceListener = prepend_once_listener
    removeListener = remove_listener
    removeAllListeners = remove_all_listeners
    rawListeners = raw_listeners
    listenerCount = listener_count
    eventNames = event_names


EventEmitter._spellings = link_spellings(EventEmitter, {})
