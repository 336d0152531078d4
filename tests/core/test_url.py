"""`parse_url`: its results, and the reasons of its refusals.

`tests/net/test_url.py` has the table of addresses, and `tests/differential` compares the cores.
"""

from __future__ import annotations

from typing import Any

import pytest


def test_parse_url_gives_the_parts_of_an_address(core: Any) -> None:
    assert core.parse_url("HTTPS://%75:p%40@FAß.de/a/../b?c'#d") == (
        "https://%75:p%40@xn--fa-hia.de/b?c%27#d",
        "%75",
        "p%40",
        "xn--fa-hia.de",
        443,
        "/b?c%27",
    )
    assert core.parse_url("?x", "ws://[0::0]:081/a#b") == ("ws://[::]:81/a?x", "", "", "[::]", 81, "/a?x")


@pytest.mark.parametrize(
    ("text", "base", "why"),
    [
        ("h", None, "relative URL without a base"),
        ("", None, "relative URL without a base"),
        ("h", "h", "relative URL without a base"),
        ("ftp://h", None, "unsupported scheme"),
        ("foo:bar", "ws://h", "unsupported scheme"),
        ("ws://", None, "empty host"),
        ("ws://u:p@/", None, "empty host"),
        ("ws://%C2%AD/", None, "empty host"),
        ("ws://h:x", None, "invalid port number"),
        ("ws://h:65536", None, "invalid port number"),
        ("ws://h:" + "9" * 50, None, "invalid port number"),
    ],
)
def test_parse_url_says_why_it_refuses_an_address(core: Any, text: str, base: str | None, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        core.parse_url(text, base)
