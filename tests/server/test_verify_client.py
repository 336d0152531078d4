"""`verify_client`: its arguments, the ways to decide, and hooks that fail or never decide."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import KEY, answer, connect, listen, raw_client, upgrade_request, within


class TestVerifyClient:
    async def test_verify_client_with_one_parameter(self, serve: Serve) -> None:
        infos: list[Any] = []

        def verify(info: Any) -> bool:
            infos.append(info)
            return bool(info.origin == "http://good")

        server = await serve(verify_client=verify)
        line, _, body = await answer(server, upgrade_request(origin="http://bad"))
        assert (line, body) == ("HTTP/1.1 401 Unauthorized", "Unauthorized")
        await (await raw_client(server, origin="http://good")).close()
        assert infos[0]["origin"] == "http://bad"
        assert infos[1]["secure"] is False
        assert infos[1].req.headers["sec-websocket-key"] == KEY
        assert len(infos[0]) == 3
        assert set(infos[0]) == {"origin", "secure", "req"}

    async def test_verify_client_as_a_coroutine_function(self, serve: Serve) -> None:
        async def verify(info: Any) -> bool:
            await asyncio.sleep(0)
            return bool(info.origin is None)

        server = await serve(verifyClient=verify)
        assert (await answer(server, upgrade_request(origin="x")))[0] == "HTTP/1.1 401 Unauthorized"
        await (await raw_client(server)).close()

    async def test_the_origin_of_version_8(self, serve: Serve) -> None:
        server = await serve(verify_client=lambda info: info.origin == "http://eight")
        fields: dict[str, Any] = {"sec_websocket_version": "8", "sec_websocket_origin": "http://eight"}
        await (await raw_client(server, **fields)).close()

    async def test_verify_client_with_two_parameters(self, serve: Serve) -> None:
        def verify(info: Any, decided: Any) -> None:
            if info.origin == "nameless":
                decided(False, 0)  # for ws, any falsy code means that there is none
            elif info.origin:
                decided(False, 403, "not you", {"Retry-After": 120})
            else:
                asyncio.get_running_loop().call_soon(decided, True)

        server = await serve(verify_client=verify)
        line, fields, body = await answer(server, upgrade_request(origin="x"))
        assert (line, body, fields["retry-after"]) == ("HTTP/1.1 403 Forbidden", "not you", "120")
        assert (await answer(server, upgrade_request(origin="nameless")))[0] == "HTTP/1.1 401 Unauthorized"
        await (await raw_client(server)).close()

    async def test_frames_that_arrive_before_the_verdict_are_kept(self, serve: Serve) -> None:
        verdict = asyncio.get_running_loop().create_future()
        server = await serve(verify_client=lambda info, decided: verdict.set_result(decided))
        connection = listen(server, "connection")
        peer = await connect(server)
        first, second = b"\x81\x81\0\0\0\0a", b"\x81\x81\0\0\0\0b"
        peer.write(upgrade_request() + first)
        decided = await within(verdict)
        peer.write(second)
        decided(True)
        ws, _ = await within(connection)
        assert [await within(ws.recv()), await within(ws.recv())] == ["a", "b"]
        await peer.close()

    @pytest.mark.parametrize("how", ["plain", "coroutine", "callback"])
    async def test_a_verify_client_that_raises_is_reported(
        self, serve: Serve, reports: Reports, how: str
    ) -> None:
        def plain(info: Any) -> bool:
            raise KeyError("verify")

        async def coroutine(info: Any) -> bool:
            raise KeyError("verify")

        def callback(info: Any, decided: Any) -> None:
            raise KeyError("verify")

        server = await serve(
            verify_client={"plain": plain, "coroutine": coroutine, "callback": callback}[how]
        )
        assert (await answer(server, upgrade_request()))[0] == "HTTP/1.1 500 Internal Server Error"
        context = reports.take()
        assert isinstance(context["exception"], KeyError)
        assert "verify_client" in context["message"]

    @pytest.mark.parametrize("how", ["coroutine", "callback"])
    async def test_a_verify_client_that_does_not_decide_in_time_is_answered(
        self, serve: Serve, how: str
    ) -> None:
        loop = asyncio.get_running_loop()
        ended, verdict = loop.create_future(), loop.create_future()

        async def coroutine(info: Any) -> bool:
            try:
                return bool(await verdict)
            finally:
                ended.set_result(None)

        def callback(info: Any, decided: Any) -> None:
            ended.set_result(decided)

        verify = {"coroutine": coroutine, "callback": callback}[how]
        server = await serve(verify_client=verify, handshakeTimeout=50)
        line, _, body = await answer(server, upgrade_request())
        assert (line, body) == ("HTTP/1.1 503 Service Unavailable", "verify_client did not decide in time")
        decided = await within(ended)
        if decided is not None:
            decided(True)  # too late: it has no effect
        assert server.clients == set()

    async def test_a_verify_client_without_a_deadline_may_take_its_time(self, serve: Serve) -> None:
        verdict = asyncio.get_running_loop().create_future()
        verify = lambda info, decided: verdict.set_result(decided)  # noqa: E731
        server = await serve(verify_client=verify, handshake_timeout=0)
        peer = await connect(server)
        peer.write(upgrade_request())
        (await within(verdict))(True)
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    @pytest.mark.parametrize("first", [True, False])
    async def test_a_verify_client_that_decides_twice_is_reported(self, serve: Serve, first: bool) -> None:
        refused: list[str] = []

        def verify(info: Any, decided: Any) -> None:
            decided(first)
            for second in (True, False):
                with pytest.raises(RuntimeError, match="verdict on this request already") as caught:
                    decided(second)
                refused.append(str(caught.value))

        server = await serve(lambda ws, request: ws.send("undisturbed"), verify_client=verify)
        if first:
            async with wsrs.WebSocket(server.url) as ws:
                assert await within(ws.recv()) == "undisturbed"
        else:
            assert (await answer(server, upgrade_request()))[0] == "HTTP/1.1 401 Unauthorized"
        assert len(refused) == 2

    async def test_a_verify_client_may_accept_and_then_raise(self, serve: Serve, reports: Reports) -> None:
        async def verify(info: Any, decided: Any) -> None:
            decided(True)
            raise KeyError("later")

        server = await serve(lambda ws, request: ws.send("undisturbed"), verify_client=verify)
        async with wsrs.WebSocket(server.url) as ws:
            assert await within(ws.recv()) == "undisturbed"
        assert isinstance(reports.take()["exception"], KeyError)

    async def test_a_verdict_that_cannot_be_sent_is_an_error(self, serve: Serve, reports: Reports) -> None:
        def verify(info: Any, decided: Any) -> None:
            for wrong, error in (
                ((False, "403"), TypeError),
                ((False, 42), ValueError),
                ((False, 403, None, {"X": "a\r\nY: b"}), ValueError),
                ((False, 403, None, {"a b": "c"}), ValueError),
            ):
                with pytest.raises(error):
                    decided(*wrong)
            decided(False, 403, None, {"X": "ok"})

        line, fields, body = await answer(await serve(verify_client=verify), upgrade_request())
        assert (line, body, fields["x"]) == ("HTTP/1.1 403 Forbidden", "Forbidden", "ok")

    @pytest.mark.parametrize("parameters", ["optional", "any number", "method"])
    async def test_parameters_are_counted_as_in_javascript(self, serve: Serve, parameters: str) -> None:
        class Gate:
            def verify(self, info: Any, decided: Any) -> None:
                decided(info.origin is None)

        def optional(info: Any, decided: Any = None) -> bool:
            return decided is None and info.origin is None

        def any_number(*arguments: Any) -> bool:
            return len(arguments) == 1 and arguments[0].origin is None

        verify = {"optional": optional, "any number": any_number, "method": Gate().verify}[parameters]
        server = await serve(verify_client=verify)
        await (await raw_client(server)).close()
        assert (await answer(server, upgrade_request(origin="x")))[0] == "HTTP/1.1 401 Unauthorized"

    async def test_a_client_may_leave_before_the_verdict(self, serve: Serve) -> None:
        verdict = asyncio.get_running_loop().create_future()
        server = await serve(verify_client=lambda info, decided: verdict.set_result((info, decided)))
        peer = await connect(server)
        peer.write(upgrade_request())
        info, decided = await within(verdict)
        info.req.socket.abort()
        decided(True)
        assert server.clients == set()
        await peer.close()

    async def test_a_handle_protocols_that_returns_nonsense_is_an_error(
        self, serve: Serve, reports: Reports
    ) -> None:
        server = await serve(handle_protocols=lambda protocols, request: "a\r\nX: y")
        request = upgrade_request(sec_websocket_protocol="a")
        assert (await answer(server, request))[0] == "HTTP/1.1 500 Internal Server Error"
        assert isinstance(reports.take()["exception"], ValueError)

    @pytest.mark.parametrize("how", ["itself", "what is over", "what it waits for", "at once"])
    @pytest.mark.parametrize("parameters", [1, 2])
    async def test_a_verify_client_that_is_cancelled_is_answered_with_503(
        self, serve: Serve, how: str, parameters: int
    ) -> None:
        """There is no deadline: only the cancellation causes an answer."""

        async def work() -> bool:
            if how == "itself":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            elif how == "what it waits for":
                asyncio.get_running_loop().call_soon(waited.cancel)
            return bool(await waited)

        def start() -> Any:
            if how == "at once":
                raise asyncio.CancelledError
            if how != "what is over":
                return work()
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            return future

        one: Any = lambda info: start()  # noqa: E731
        two: Any = lambda info, decided: start()  # noqa: E731
        waited: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        server = await serve(verify_client=one if parameters == 1 else two, handshake_timeout=0)
        line, _, body = await answer(server, upgrade_request())
        assert (line, body) == ("HTTP/1.1 503 Service Unavailable", "verify_client was cancelled")
        assert server.clients == set()

    @pytest.mark.parametrize("how", ["plain", "coroutine", "callback"])
    async def test_a_verify_client_that_raises_a_base_exception_ends_the_loop(
        self, serve: Serve, reports: Reports, collect: Callable[[], int], how: str
    ) -> None:
        """The exception goes on to the loop, as SystemExit would; the client gets its answer first."""

        class Interrupt(BaseException):
            pass

        def plain(info: Any) -> bool:
            raise Interrupt

        async def coroutine(info: Any) -> bool:
            raise Interrupt

        def callback(info: Any, decided: Any) -> None:
            decided(False, 403)
            raise Interrupt

        verify = {"plain": plain, "coroutine": coroutine, "callback": callback}[how]
        server = await serve(verify_client=verify, handshake_timeout=0)
        code = "403 Forbidden" if how == "callback" else "500 Internal Server Error"
        assert (await answer(server, upgrade_request()))[0] == f"HTTP/1.1 {code}"
        collect()  # a task reports an exception that was never retrieved when it is collected
        assert isinstance(reports.take()["exception"], Interrupt)

    async def test_a_verify_client_that_exits_ends_the_program(self) -> None:
        """SystemExit ends the program, and the client gets its answer first."""
        program = """
import asyncio, sys, wsrs
sys.path.insert(0, {path!r})
from tests.peers import connect, upgrade_request

async def verify(info):
    raise SystemExit(3)

async def main():
    wss = wsrs.WebSocketServer(port=0, host="127.0.0.1", verify_client=verify, handshake_timeout=0)
    await wss.wait_listening()
    peer = await connect(wss)
    peer.write(upgrade_request())
    try:
        await asyncio.Future()
    except asyncio.CancelledError:
        print((await peer.head())[0])
        raise

asyncio.run(main())
"""
        program = program.replace("{path!r}", repr(str(Path(__file__).parents[2])))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, error = await within(process.communicate(), 30)
        assert (process.returncode, out.strip()) == (3, b"HTTP/1.1 500 Internal Server Error"), error

    @pytest.mark.parametrize(
        ("verify", "shown"),
        [
            (lambda: True, "()"),
            (lambda a, b, c: True, "(a, b, c)"),
            (lambda info, *, origin: True, "(info, *, origin)"),
            (lambda **each: True, "(**each)"),
        ],
    )
    async def test_a_verify_client_with_other_parameters_is_refused_at_once(
        self, reports: Reports, verify: Any, shown: str
    ) -> None:
        with pytest.raises(TypeError, match=re.escape(f"not {shown} as <function")) as raised:
            wsrs.WebSocketServer(port=0, verify_client=verify)
        assert "one parameter (info) or two (info, callback)" in str(raised.value)

    async def test_a_verify_client_may_have_defaults_or_no_readable_signature(self, serve: Serve) -> None:
        class Opaque:
            __signature__ = "none"

            def __call__(self, *given: Any) -> bool:
                return len(given) == 1

        one: Any
        for one in (lambda info, more=None: more is None, lambda *given: len(given) == 1, Opaque()):
            await (await raw_client(await serve(verify_client=one))).close()
        decide: Any = lambda info, decided, *more: decided(not more)  # noqa: E731
        await (await raw_client(await serve(verify_client=decide))).close()


async def test_fields_that_a_client_did_not_send_are_none(serve: Serve) -> None:
    infos: list[Any] = []
    server = await serve(verify_client=lambda info: not infos.append(info))  # type: ignore[func-returns-value]
    await (await raw_client(server)).close()
    assert infos[0].get("origin", 1) is None
    with pytest.raises(KeyError):
        infos[0]["__slots__"]


async def test_a_verify_client_with_unknown_parameters_gets_one(serve: Serve) -> None:
    class Gate:
        __signature__ = 1

        def __call__(self, *arguments: Any) -> bool:
            return len(arguments) == 1

    await (await raw_client(await serve(verify_client=Gate()))).close()


async def test_a_coroutine_function_with_two_parameters_decides_by_the_callback(serve: Serve) -> None:
    async def verify(info: Any, decided: Any) -> str:
        await asyncio.sleep(0)
        decided(info.origin is None)
        return "means nothing"

    server = await serve(verify_client=verify)
    await (await raw_client(server)).close()
    peer = await connect(server)
    peer.write(upgrade_request(origin="x"))
    assert (await peer.head())[0] == "HTTP/1.1 401 Unauthorized"
    await peer.close()
