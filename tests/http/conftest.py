"""Helpers that send a request and read its answer."""

from __future__ import annotations

from wsrs.http import HttpServer

from ..peers import Peer, connect


async def ask(server: HttpServer, request: bytes | str) -> tuple[str, dict[str, str], bytes]:
    """The answer to a request: its status line without the version, its fields and its body."""
    peer = await connect(server)
    peer.write(request.encode("latin-1") if isinstance(request, str) else request)
    answer = await answer_of(peer)
    await peer.close()
    return answer


async def answer_of(peer: Peer) -> tuple[str, dict[str, str], bytes]:
    """The next answer that `peer` gets, in the same form."""
    first, fields = await peer.head()
    return first.removeprefix("HTTP/1.1 "), fields, await peer.rest()
