"""`Blob`: bytes with a type."""

from __future__ import annotations

import pytest

import wsrs


class TestBlob:
    async def test_a_blob_has_the_bytes_of_its_parts(self) -> None:
        blob = wsrs.Blob(["ü", b"b", bytearray(b"c"), wsrs.Blob("d")], "text/plain")
        assert bytes(blob) == "übcd".encode()
        assert blob.size == len(blob) == 5
        assert blob.type == "text/plain"
        assert await blob.text() == "übcd"
        assert await blob.bytes() == bytes(blob)
        assert await blob.arrayBuffer() == bytearray(bytes(blob))
        assert blob.slice(2, -1) == wsrs.Blob(b"bc") != blob
        assert hash(blob.slice(0)) == hash(wsrs.Blob(bytes(blob)))
        assert repr(blob) == "<Blob of 5 bytes, text/plain>"
        assert blob != b"x"
        with pytest.raises(TypeError, match="int"):
            wsrs.Blob([1])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="type must be a str"):
            wsrs.Blob(b"", 1)  # type: ignore[arg-type]
