"""One message to many connections: what goes over the wire of each, on both cores."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from .conftest import MakeSide
from .harness import fixed_mask, frame

TAIL = b"\x00\x00\xff\xff"
COMPRESSED = 0x40


def deflate(core: Any, answer: str = "", **options: Any) -> Any:
    """A server's permessage-deflate, negotiated; `answer` is its parameters, as "; server_no_context_takeover"."""
    made = core.PerMessageDeflate(is_server=True, threshold=0, **options)
    made.accept([params for _, params in core.parse_extensions(f"permessage-deflate{answer}")])
    return made


def payload_of(output: bytes) -> bytes:
    """The payload of the one frame in `output`, which is unmasked and short."""
    start = 4 if output[1] == 126 else 2
    size = int.from_bytes(output[2:4], "big") if start == 4 else output[1]
    assert len(output) == start + size
    return output[start:]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 300_000])
def test_a_broadcast_is_the_same_on_servers_and_masked_anew_on_clients(
    core: Any, side: MakeSide, size: int
) -> None:
    data = b"x" * size
    servers = [side(), side(tls=True)]
    client = side(is_server=False, generate_mask=fixed_mask)
    assert core.broadcast([each.connection for each in (*servers, client)], data) == (3, 0, 0, 0)
    assert [each.take_output() for each in servers] == [frame(2, data, key=None)] * 2
    assert client.take_output() == frame(2, data)


def test_a_broadcast_leaves_with_the_rest_of_its_tick(core: Any, side: MakeSide) -> None:
    server = side()
    server.connection.send("a")
    core.broadcast([server.connection], "b")
    server.connection.send("c")
    assert server.output == b""
    server.tick()
    assert server.transport.written == [b"".join(frame(1, each, key=None) for each in (b"a", b"b", b"c"))]


def test_a_broadcast_counts_the_connections_that_do_not_get_it(core: Any, side: MakeSide) -> None:
    good, slow, busy, gone = side(), side(high_water_mark=10), side(), side()
    slow.transport.hold = True
    slow.connection.send("more than the mark")
    busy.connection.send("a", fin=False)
    gone.connection.abort()
    gone.tick()
    everybody = [each.connection for each in (good, slow, busy, gone)]
    assert core.broadcast(everybody, "x") == (1, 1, 1, 1)
    assert core.broadcast(everybody, "y", skip_slow=False) == (2, 0, 1, 1)
    assert good.take_output() == frame(1, b"x", key=None) + frame(1, b"y", key=None)
    assert busy.take_output() == frame(1, b"a", fin=False, key=None)
    slow.transport.hold = False
    slow.transport.drain()
    assert slow.take_output() == frame(1, b"more than the mark", key=None) + frame(1, b"y", key=None)


@pytest.mark.parametrize(("data", "error"), [(None, TypeError), ([256], ValueError), ("\ud800", ValueError)])
def test_a_broadcast_of_bad_data_is_sent_to_nobody(
    core: Any, side: MakeSide, data: object, error: type[Exception]
) -> None:
    server = side()
    with pytest.raises(error):
        core.broadcast([server.connection], data)
    assert server.take_output() == b""


def test_a_connection_that_fails_keeps_a_broadcast_from_no_other(core: Any, side: MakeSide) -> None:
    def no_mask(key: bytearray) -> None:
        raise ZeroDivisionError

    client, server = side(is_server=False, generate_mask=no_mask), side()
    with pytest.raises(ZeroDivisionError):
        core.broadcast([client.connection, server.connection], "x")
    assert server.take_output() == frame(1, b"x", key=None)


@pytest.mark.parametrize("answer", ["", "; server_no_context_takeover", "; server_max_window_bits=9"])
def test_zlib_follows_shared_messages_among_others(core: Any, side: MakeSide, answer: str) -> None:
    """With context takeover, the receiver's window contains the shared messages too."""
    servers = [side(deflate=deflate(core, answer)) for _ in range(2)]
    bits = -9 if "bits" in answer else -15
    peers = [zlib.decompressobj(bits) for _ in servers]
    for number in range(40):
        data = f"message {number}: much of what was said before is said again. ".encode() * (1 + number % 7)
        receivers = [0, 1] if number % 3 == 0 else [number % 2]
        if len(receivers) == 2:
            assert core.broadcast([each.connection for each in servers], data) == (2, 0, 0, 0)
        else:
            servers[receivers[0]].connection.send(data)
        outputs = {place: servers[place].take_output() for place in receivers}
        assert len(set(outputs.values())) == 1
        for place, output in outputs.items():
            assert output[0] == 0x82 | COMPRESSED
            if "no_context" in answer:
                peers[place] = zlib.decompressobj(bits)
            assert peers[place].decompress(payload_of(output) + TAIL) == data
