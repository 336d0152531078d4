"""A thread stops compressing a cancelled message. This is the pure core's; Rust's is tested in Rust."""

from __future__ import annotations

import zlib

from wsrs._pure.deflate import Deflater
from wsrs._pure.thread_pool import PIECE

SETTINGS = (6, zlib.DEFLATED, -15, 8, 0)


def test_a_cancelled_message_is_not_compressed_further() -> None:
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(len(asked) > 1)
        return asked[-1]

    assert Deflater(SETTINGS, False, 0).deflate_long(bytes(5 * PIECE), True, cancelled) == b""
    assert asked == [False, False, True, True, True]


def test_a_message_compressed_in_pieces_inflates_to_the_same() -> None:
    data = bytes(range(256)) * (3 * PIECE // 256)
    made = Deflater(SETTINGS, False, 0).deflate_long(data, True, lambda: False)
    assert zlib.decompressobj(-15).decompress(made + b"\x00\x00\xff\xff") == data
    assert len(made) < len(data) // 100
