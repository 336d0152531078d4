"""The `EventTarget` side of a `WebSocket`, as browsers have it: events as objects.

`add_event_listener` and the attributes `onopen`, `onmessage`, `onclose`, `onerror` wrap their handler in an
ordinary listener, which makes the event object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, TypeVar, Union, overload

from wsrs._options.checks import boolean
from wsrs._options.table import Option, OptionTable
from wsrs.events import EventEmitter, Listener

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CloseEvent", "ErrorEvent", "Event", "EventTarget", "MessageEvent", "OpenEvent"]


class Event:
    """The argument of an event listener: `type` is the event's name, `target` the WebSocket."""

    __slots__ = ("target", "type")

    def __init__(self, type: str, *, target: Any = None) -> None:
        if not isinstance(type, str):
            raise TypeError(f"the type of an event must be a str, not {type.__class__.__name__}")
        self.type = type
        self.target = target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r}>"


class OpenEvent(Event):
    """The connection is open."""

    __slots__ = ()


class MessageEvent(Event):
    """A message came: `data` is a str for text, and for binary the type that `binary_type` names."""

    __slots__ = ("data",)

    def __init__(self, type: str, *, data: Any = None, target: Any = None) -> None:
        super().__init__(type, target=target)
        self.data = data


class CloseEvent(Event):
    """The connection is closed: `code` and `reason` of the close frame, and whether it was clean.

    Clean means that a close frame was sent and one received.
    """

    __slots__ = ("code", "reason", "was_clean")

    def __init__(
        self, type: str, *, code: int = 0, reason: str = "", was_clean: bool = False, target: Any = None
    ) -> None:
        super().__init__(type, target=target)
        self.code = code
        self.reason = reason
        self.was_clean = was_clean

    @property
    def wasClean(self) -> bool:
        """ws's name of `was_clean`."""
        return self.was_clean


class ErrorEvent(Event):
    """An error occurred: `error` is the exception, `message` its text."""

    __slots__ = ("error", "message")

    def __init__(self, type: str, *, error: Any = None, message: str = "", target: Any = None) -> None:
        super().__init__(type, target=target)
        self.error = error
        self.message = message


_E_contra = TypeVar("_E_contra", contravariant=True)
_E = TypeVar("_E", bound=Event)


class _HandlesEvent(Protocol[_E_contra]):
    def handle_event(self, event: _E_contra, /) -> object: ...


class _HandlesEventAsInWs(Protocol[_E_contra]):
    def handleEvent(self, event: _E_contra, /) -> object: ...


EventListener = Union["Callable[[_E], object]", _HandlesEvent[_E], _HandlesEventAsInWs[_E]]


class ListenerOptions(TypedDict, total=False):
    """Options of `add_event_listener`."""

    once: bool | None


_OPTIONS = OptionTable("add_event_listener", [Option("once", "once", boolean, False)])


class _Wrapper:
    """The ordinary listener that makes the event object and calls `handler` with it."""

    __slots__ = ("handler", "is_attribute", "target")

    type: str

    def __init__(self, target: EventTarget, handler: Any, is_attribute: bool) -> None:
        self.target = target
        self.handler = handler
        self.is_attribute = is_attribute

    def _call(self, event: Event) -> object:
        event.target = self.target
        for name in ("handle_event", "handleEvent"):
            method = getattr(self.handler, name, None)
            if method is not None:
                return method(event)
        return self.handler(event)


class _Open(_Wrapper):
    __slots__ = ()

    def __call__(self) -> object:
        return self._call(OpenEvent("open"))


class _Message(_Wrapper):
    __slots__ = ()

    def __call__(self, data: Any, is_binary: bool) -> object:
        return self._call(
            MessageEvent("message", data=data if is_binary else bytes(data).decode(errors="replace"))
        )


class _Close(_Wrapper):
    __slots__ = ()

    def __call__(self, code: int, reason: bytes) -> object:
        text = reason.decode(errors="replace")
        return self._call(CloseEvent("close", code=code, reason=text, was_clean=self.target._was_clean()))


class _Error(_Wrapper):
    __slots__ = ()

    def __call__(self, error: BaseException) -> object:
        return self._call(ErrorEvent("error", error=error, message=str(error)))


_WRAPPERS: Mapping[str, type[_Wrapper]] = {
    "open": _Open,
    "message": _Message,
    "close": _Close,
    "error": _Error,
}


class EventTarget(EventEmitter):
    """An EventEmitter with `add_event_listener` and `on…` attributes for four events."""

    __slots__ = ()

    def _was_clean(self) -> bool:
        raise NotImplementedError

    def _wrapper(self, type: str, handler: object, is_attribute: bool) -> tuple[Listener, _Wrapper] | None:
        """The listener of `type` that wraps `handler` (any handler, for None), and its wrapper."""
        for raw, listener in zip(self.raw_listeners(type), self.listeners(type), strict=False):
            if not isinstance(listener, _Wrapper) or listener.is_attribute != is_attribute:
                continue
            if handler is None or listener.handler == handler:
                return raw, listener
        return None

    @overload
    def add_event_listener(
        self,
        type: Literal["open"],
        listener: EventListener[OpenEvent],
        options: ListenerOptions | None = None,
        *,
        once: bool | None = None,
    ) -> None: ...
    @overload
    def add_event_listener(
        self,
        type: Literal["message"],
        listener: EventListener[MessageEvent],
        options: ListenerOptions | None = None,
        *,
        once: bool | None = None,
    ) -> None: ...
    @overload
    def add_event_listener(
        self,
        type: Literal["close"],
        listener: EventListener[CloseEvent],
        options: ListenerOptions | None = None,
        *,
        once: bool | None = None,
    ) -> None: ...
    @overload
    def add_event_listener(
        self,
        type: Literal["error"],
        listener: EventListener[ErrorEvent],
        options: ListenerOptions | None = None,
        *,
        once: bool | None = None,
    ) -> None: ...
    def add_event_listener(
        self,
        type: str,
        listener: Any,
        options: Mapping[str, Any] | None = None,
        *,
        once: bool | None = None,
    ) -> None:
        """Call `listener` (or its `handle_event`) with an Event object; only once if `once` is true.

        It does nothing for a `type` other than `'open'`, `'message'`, `'close'`, `'error'`, or for a
        listener that is there already.
        """
        if (
            not callable(listener)
            and not hasattr(listener, "handle_event")
            and not hasattr(listener, "handleEvent")
        ):
            raise TypeError(f"an event listener must be callable or have handle_event, not {listener!r}")
        once = _OPTIONS.resolve(options, {"once": once})["once"]
        kind = _WRAPPERS.get(type)
        if kind is None or self._wrapper(type, listener, False):
            return
        wrapper: Any = kind(self, listener, False)
        (self.once if once else self.on)(type, wrapper)

    @overload
    def remove_event_listener(self, type: Literal["open"], listener: EventListener[OpenEvent]) -> None: ...
    @overload
    def remove_event_listener(
        self, type: Literal["message"], listener: EventListener[MessageEvent]
    ) -> None: ...
    @overload
    def remove_event_listener(self, type: Literal["close"], listener: EventListener[CloseEvent]) -> None: ...
    @overload
    def remove_event_listener(self, type: Literal["error"], listener: EventListener[ErrorEvent]) -> None: ...
    def remove_event_listener(self, type: str, listener: Any) -> None:
        """Remove a listener that `add_event_listener` added."""
        found = self._wrapper(type, listener, False)
        if found:
            self._remove(type, found[0])

    def _attribute(self, type: str) -> Any:
        found = self._wrapper(type, None, True)
        return found[1].handler if found else None

    def _set_attribute(self, type: str, handler: object) -> None:
        if handler is not None and not callable(handler):
            raise TypeError(f"on{type} must be callable or None, not {handler.__class__.__name__}")
        found = self._wrapper(type, None, True)
        if found:
            self._remove(type, found[0])
        if handler is not None:
            wrapper: Any = _WRAPPERS[type](self, handler, True)
            self.on(type, wrapper)

    @property
    def onopen(self) -> Callable[[OpenEvent], object] | None:
        """Called with an OpenEvent when the connection is open."""
        return self._attribute("open")  # type: ignore[no-any-return]

    @onopen.setter
    def onopen(self, handler: Callable[[OpenEvent], object] | None) -> None:
        self._set_attribute("open", handler)

    @property
    def onmessage(self) -> Callable[[MessageEvent], object] | None:
        """Called with a MessageEvent when a message came."""
        return self._attribute("message")  # type: ignore[no-any-return]

    @onmessage.setter
    def onmessage(self, handler: Callable[[MessageEvent], object] | None) -> None:
        self._set_attribute("message", handler)

    @property
    def onclose(self) -> Callable[[CloseEvent], object] | None:
        """Called with a CloseEvent when the connection is closed."""
        return self._attribute("close")  # type: ignore[no-any-return]

    @onclose.setter
    def onclose(self, handler: Callable[[CloseEvent], object] | None) -> None:
        self._set_attribute("close", handler)

    @property
    def onerror(self) -> Callable[[ErrorEvent], object] | None:
        """Called with an ErrorEvent when an error occurred."""
        return self._attribute("error")  # type: ignore[no-any-return]

    @onerror.setter
    def onerror(self, handler: Callable[[ErrorEvent], object] | None) -> None:
        self._set_attribute("error", handler)

    # ws's names -------------------------------------------------------------------------------

    addEventListener = add_event_listener
    removeEventListener = remove_event_listener
