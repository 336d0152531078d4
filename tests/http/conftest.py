"""Requests of the tests, and their answers."""

from __future__ import annotations

from wsrs.http import HttpServer

from ..peers import Peer, connect


async def ask(server: HttpServer, request: bytes | str) -> tuple[str, dict[str, str], bytes]:
    """Status line without the version, fields and body of the answer."""
    peer = await connect(server)
    peer.write(request.encode() if isinstance(request, str) else request)
    answer = await answer_of(peer)
    await peer.close()
    return answer


async def answer_of(peer: Peer) -> tuple[str, dict[str, str], bytes]:
    """The same of an answer that comes to `peer`."""
    first, fields = await peer.head()
    return first.removeprefix("HTTP/1.1 "), fields, await peer.rest()
