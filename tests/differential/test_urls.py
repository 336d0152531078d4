"""Both cores read addresses alike, and refuse the same ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsrs import _pure

_core: Any = pytest.importorskip("wsrs._core", reason="compares the Rust core with the Python one")

SYNTAX = r"ws: wss: http: https: WS: ftp: foo: // / \ \\ @ : ? # . .. %2e %2E [ ] :: [::1] ffff:"
NUMBERS = "1.2.3.4 127 0x7f 0177 256 08 65536 4294967295 0 0x 80 443 8080 0080 65535"
NAMES = "%C3%9F %zz % %00 %20 xn-- xn--fa-hia xn--bcher-kva xn--a - a b example"
MAPPED = "\xdf \u1e9e \xfc \u0308 \u0301 \u200c \u200d \u094d \u0915 \u05d0 \u0628 \u0661 \u06f1 \xe9"
ODD = "\u3002 \uff0e \xad \u0130 \u2615 \U0001f4a9 \u03c2 \u03a3 \u017f \u212a \u2460 \ufb01 \u3392 \u2260"
PIECES = (*" ".join((SYNTAX, NUMBERS, NAMES, MAPPED, ODD)).split(" "), *"\t\n\r \0\x7f^|`{}<>\"'_+&=;,$!*()~")
# The cores need not agree on characters that this Python's Unicode does not have yet.
known = st.characters(exclude_categories=["Cs", "Cn", "Co"])
pieces = st.one_of(st.sampled_from(PIECES), known)


def joined(parts: st.SearchStrategy[str], most: int, separator: str = "") -> st.SearchStrategy[str]:
    return st.lists(parts, max_size=most).map(separator.join)


def punycode(text: str) -> str:
    return "xn--" + text.encode("punycode").decode("ascii")


labels = st.one_of(joined(pieces, 6), st.text(known, max_size=4).map(punycode))
numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**33))
ipv4_parts = st.one_of(
    st.sampled_from(["", "0x", "08", "0"]),
    st.builds(
        lambda number, form: form.format(number), numbers, st.sampled_from(["{}", "0x{:x}", "0{:o}", "0{}"])
    ),
)
ipv6_parts = st.sampled_from([":", ":", "::", "0", "0", "1", "ABCD", "12345", "1.2.3.4", ".", "%", "g"])
hosts = st.one_of(
    joined(st.sampled_from(PIECES), 6),
    joined(labels, 4, "."),
    joined(ipv4_parts, 5, "."),
    joined(ipv6_parts, 17).map("[{}]".format),
    joined(st.sampled_from(["0", "0", "0", "1", "ABCD", ""]), 9, ":").map("[{}]".format),
)
addresses = st.one_of(
    joined(pieces, 14),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["ws://", "wss:", "http:\\\\", "https:/", "//", "\t//", "///", ""]),
        st.sampled_from(["", "", "", "u@", "u:p@", ":@", "@", "ü:%@@"]),
        hosts,
        st.sampled_from(["", "", ":80", ":443", ":x", ":", ":000", ":99999"]),
        st.one_of(st.just(""), joined(pieces, 8).map("/{}".format), joined(st.sampled_from(PIECES), 6)),
    ),
)
bases = st.sampled_from([None, None, "ws://a/b/c", "wss://u:p@a:444/b/c?d#", "http://x", "https://h/?q"])


def outcome(core: Any, text: str, base: str | None) -> Any:
    try:
        return core.parse_url(text, base)
    except ValueError:
        return "refused"


@settings(
    max_examples=1500,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(text=addresses, base=bases)
def test_both_cores_read_an_address_alike(text: str, base: str | None) -> None:
    assert outcome(_pure, text, base) == outcome(_core, text, base)
