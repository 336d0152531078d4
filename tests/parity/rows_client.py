"""The rows of a client: its options, those of Node's `http.request`, and `createWebSocketStream`."""

from __future__ import annotations

from .row import Section, row
from .rows_server import CONNECTION_OPTIONS, SECONDS

WIRE = "TestTheRequest::test_as_it_is_on_the_wire"
OLD = "TestTheRequest::test_version_8_without_compression_with_credentials"
FOLLOWED = "TestRedirects::test_are_followed"
UNIX = "TestListening::test_a_unix_socket"
STREAM_OPTION = "An asyncio stream's spelling of what Node's `Duplex` does."

CLIENT_SECTIONS = (
    Section(
        "Parameters of `new WebSocket(address, protocols, options)`",
        "argument",
        (
            row(
                "address",
                "address",
                f"{WIRE} {UNIX}",
                """A str, a result of `urllib.parse` or a `yarl.URL`. `ws+unix:` addresses are those of ws, on
                Unix alone: Windows' named pipes are not served.""",
            ),
            row("protocols", "protocols", f"{WIRE} TestTheAnswer::test_subprotocols", "Also a keyword."),
        ),
    ),
    Section(
        "Options of `WebSocket`",
        "client option",
        (
            *CONNECTION_OPTIONS,
            row(
                "finishRequest",
                "finish_request",
                "TestTheRequest::test_finish_request_may_change_and_delay_it",
            ),
            row(
                "followRedirects",
                "follow_redirects",
                f"{FOLLOWED} TestRedirects::test_are_no_answer_by_default",
            ),
            row(
                "generateMask",
                "generate_mask",
                "TestSending::test_a_client_masks_with_keys_of_ones_own",
                "It fills a `bytearray` of 4.",
            ),
            row("handshakeTimeout", "handshake_timeout", "TestFailing::test_handshake_timeout", SECONDS),
            row("maxRedirects", "max_redirects", "TestRedirects::test_too_many_and_bad_ones"),
            row("origin", "origin", f"{WIRE} {OLD}"),
            row(
                "perMessageDeflate",
                "per_message_deflate",
                "TestNegotiation::test_on_by_default_in_a_client TestNegotiation::test_a_client_may_leave_it_out",
            ),
            row("protocolVersion", "protocol_version", OLD, "8 or 13."),
        ),
    ),
    Section(
        "Options of `WebSocket` that are those of Node's `http.request`",
        "client option",
        (
            row("agent", "agent", "TestConnectionsOfTheCaller::test_an_agent"),
            row("auth", "auth", "TestClientOptions::test_auth"),
            row(
                "createConnection",
                "create_connection",
                "TestConnectionsOfTheCaller::test_what_create_connection_makes",
            ),
            row("headers", "headers", WIRE, "A mapping (a value may be a list) or pairs."),
            row("localAddress", "local_address", "TestLocalAddress::test_is_where_the_connection_comes_from"),
            row(
                "lookup",
                "lookup",
                "TestLookup::test_by_callback_as_in_node TestLookup::test_by_result",
                "It may return what it found, or be a coroutine function.",
            ),
        ),
    ),
    Section(
        "Streams",
        "function",
        (
            row(
                "createWebSocketStream",
                "create_websocket_stream",
                "TestReading::test_bytes_do_not_know_the_bounds_of_messages TestWriting::test_a_write_is_a_message",
                """One object that is both ends of asyncio streams, in place of a `Duplex`: `read`, `readline`,
                `async for`, `write`, `drain`, `write_eof`, `close`.""",
            ),
        ),
    ),
    Section(
        "Options of `createWebSocketStream`",
        "stream option",
        (
            row(
                "allowHalfOpen",
                "allow_half_open",
                "TestHalfOpen::test_false_ends_it_once_the_end_is_read",
                STREAM_OPTION,
            ),
            row("decodeStrings", "decode_strings", "TestStrings::test_or_as_text"),
            row("defaultEncoding", "default_encoding", "TestStrings::test_in_the_default_encoding"),
            row("encoding", "encoding", "TestEncoding::test_characters_that_messages_cut_in_two"),
            row("highWaterMark", "high_water_mark", "TestReading::test_more_than_the_mark_at_once"),
            row("objectMode", "object_mode", "TestObjectMode::test_reads_whole_messages"),
            row("readableObjectMode", "readable_object_mode", "TestObjectMode::test_reads_whole_messages"),
            row("writableObjectMode", "writable_object_mode", "TestObjectMode::test_writes_what_send_takes"),
        ),
    ),
)
