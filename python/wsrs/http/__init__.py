"""The HTTP that an opening handshake needs: messages, and a server of requests.

It is not a general HTTP server: a connection is either upgraded, or closed after one answer. The body of a
plain request is read by `await request.read()`, with a Content-Length or chunked; a request with another
Transfer-Encoding is answered with 501.
"""

from __future__ import annotations

from wsrs.errors import HeadError
from wsrs.http._messages import Headers, Request, Response
from wsrs.http._response import ServerResponse
from wsrs.http._server import HttpServer

__all__ = ["HeadError", "Headers", "HttpServer", "Request", "Response", "ServerResponse"]
