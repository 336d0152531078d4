"""The HTTP that an opening handshake needs: messages, and a server that reads request heads.

It is no general HTTP server: a request's head is read, and either the connection is upgraded or one
answer is given and the connection closed.
"""

from __future__ import annotations

from wsrs.http._messages import Headers, Request, Response
from wsrs.http._response import ServerResponse
from wsrs.http._server import HttpServer

__all__ = ["Headers", "HttpServer", "Request", "Response", "ServerResponse"]
