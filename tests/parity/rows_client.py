"""The rows of a client: its options, those of Node's `http.request`, and `createWebSocketStream`."""

from __future__ import annotations

from wsrs._options.client import REFUSED

from .row import Section, row
from .rows_server import CONNECTION_OPTIONS, SECONDS

WIRE = "TestTheRequest::test_the_request_as_it_is_on_the_wire"
OLD = "TestTheRequest::test_version_8_without_compression_with_credentials"
FOLLOWED = "TestRedirects::test_redirects_are_followed_with_follow_redirects"
TABLE = "TestTheTable::test_a_client_connects_and_asks_as_node_would"
UNIX = "TestListening::test_a_server_may_listen_on_a_unix_socket"
IDENTITY = "TestTls::test_a_client_may_send_a_certificate"
PEM = "PEM as `str` or `bytes`, or the path of a file."
EXPORTS = "test_the_other_names_of_ws_are_attributes_of_its_class"
NODES = f"""\
Other options of Node raise a `TypeError` that says what to do instead, or suggests the nearest known name, because an
option that is accepted and then ignored would mislead: {", ".join(f"`{name}`" for name in sorted(REFUSED))},
in both spellings. ws ignores options that repeat a part of the address (`host`, `path` and so on); wsrs refuses them, too."""
STREAM_OPTION = "It does for an asyncio stream what it does for Node's `Duplex`."

CLIENT_SECTIONS = (
    Section(
        "Parameters of `new WebSocket(address, protocols, options)`",
        "argument",
        (
            row(
                "address",
                "address",
                f"{WIRE} {TABLE} {UNIX}",
                """A `str`, a result of `urllib.parse` or a `yarl.URL`. It is parsed by the URL standard, as in Node.
                `ws+unix:` addresses are those of ws. They work only on Unix: Windows' named pipes are not supported.""",
            ),
            row(
                "protocols",
                "protocols",
                f"{WIRE} TestTheAnswer::test_subprotocols",
                "It may also be a keyword.",
            ),
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
                f"{FOLLOWED} TestRedirects::test_a_redirect_fails_the_handshake_by_default",
            ),
            row(
                "generateMask",
                "generate_mask",
                "TestSending::test_a_client_may_mask_with_its_own_keys",
                "It fills a `bytearray` of 4 bytes.",
            ),
            row(
                "handshakeTimeout",
                "handshake_timeout",
                "TestFailing::test_a_handshake_without_an_answer_times_out test_a_client_waits_ten_seconds_by_default",
                f"{SECONDS} The default is 10 s; ws waits for ever. 0 switches it off.",
            ),
            row(
                "maxRedirects",
                "max_redirects",
                "TestRedirects::test_too_many_redirects_and_bad_ones_are_errors",
            ),
            row("origin", "origin", f"{WIRE} {OLD}"),
            row(
                "perMessageDeflate",
                "per_message_deflate",
                "TestNegotiation::test_on_by_default_in_a_client TestNegotiation::test_a_client_may_leave_compression_out",
            ),
            row("protocolVersion", "protocol_version", OLD, "8 or 13."),
        ),
    ),
    Section(
        "Options of `WebSocket` that are those of Node's `http.request`",
        "client option",
        (
            row("agent", "agent", "TestConnectionsOfTheCaller::test_an_agent_makes_the_connection"),
            row("auth", "auth", "TestClientOptions::test_auth"),
            row(
                "createConnection",
                "create_connection",
                "TestConnectionsOfTheCaller::test_create_connection_may_give_a_socket_or_a_transport",
            ),
            row("ca", "ca", "TestTls::test_a_client_may_trust_its_own_authorities", PEM),
            row("cert", "cert", IDENTITY, PEM),
            row("family", "family", "TestFamily::test_family_keeps_to_addresses_of_that_family"),
            row(
                "headers",
                "headers",
                WIRE,
                """A mapping (a value may be a list) or pairs. A header that the handshake sets itself raises a
                `ValueError`; ws overwrites it.""",
            ),
            row("key", "key", IDENTITY, PEM),
            row(
                "localAddress",
                "local_address",
                "TestLocalAddress::test_local_address_is_where_the_connection_comes_from",
            ),
            row(
                "localPort",
                "local_port",
                "TestLocalAddress::test_local_address_is_where_the_connection_comes_from",
            ),
            row(
                "lookup",
                "lookup",
                "TestLookup::test_lookup_may_call_back_as_in_node TestLookup::test_lookup_may_return_its_result",
                "It may return its result, or be a coroutine function.",
            ),
            row("passphrase", "passphrase", IDENTITY),
            row(
                "rejectUnauthorized",
                "reject_unauthorized",
                "TestTls::test_a_client_may_accept_any_certificate TestTls::test_an_untrusted_certificate_fails_the_handshake",
            ),
            row(
                "servername",
                "servername",
                "TestTls::test_the_name_in_the_certificate_is_checked"
                " TestTls::test_without_a_servername_no_name_is_told_and_that_of_the_address_is_checked",
                'With `""`, a context that is given as `ssl` must not have `check_hostname`.',
            ),
            row(
                "socket",
                "socket",
                "TestConnectionsOfTheCaller::test_a_socket_of_the_caller TestTls::test_tls_runs_over_a_socket_of_the_caller",
                "A connected `socket.socket`, which wsrs takes over.",
            ),
            row(
                "autoSelectFamilyAttemptTimeout",
                "auto_select_family_attempt_timeout",
                "TestSeveralAddresses::test_a_silent_address_does_not_prevent_a_connection",
                SECONDS,
            ),
        ),
        NODES,
    ),
    Section(
        "Streams",
        "function",
        (
            row(
                "createWebSocketStream",
                "create_websocket_stream",
                "TestReading::test_reads_do_not_depend_on_the_bounds_of_messages TestWriting::test_a_write_is_a_message",
                """It returns one object that is both ends of asyncio streams, instead of a `Duplex`: `read`,
                `readline`, `async for`, `write`, `drain`, `write_eof`, `close`.""",
            ),
        ),
    ),
    Section(
        "Properties of the class `WebSocket`, which is ws's module",
        "class property",
        (
            row("Server", "Server", EXPORTS, "ws's other name for `WebSocketServer`."),
            row("WebSocketServer", "WebSocketServer", EXPORTS),
            row("WebSocket", "WebSocket", EXPORTS),
            row("createWebSocketStream", "create_websocket_stream", EXPORTS),
        ),
    ),
    Section(
        "Options of `createWebSocketStream`",
        "stream option",
        (
            row(
                "allowHalfOpen",
                "allow_half_open",
                "TestHalfOpen::test_without_half_open_the_writing_ends_once_the_end_is_read",
                STREAM_OPTION,
            ),
            row("decodeStrings", "decode_strings", "TestStrings::test_strings_may_be_sent_as_text"),
            row(
                "defaultEncoding",
                "default_encoding",
                "TestStrings::test_strings_are_sent_in_the_default_encoding",
            ),
            row("encoding", "encoding", "TestEncoding::test_characters_cut_by_messages_are_decoded_whole"),
            row("highWaterMark", "high_water_mark", "TestReading::test_a_read_may_exceed_the_mark"),
            row("objectMode", "object_mode", "TestObjectMode::test_object_mode_reads_whole_messages"),
            row(
                "readableHighWaterMark",
                "readable_high_water_mark",
                "TestReading::test_a_line_longer_than_the_mark_is_dropped",
            ),
            row(
                "readableObjectMode",
                "readable_object_mode",
                "TestObjectMode::test_object_mode_reads_whole_messages",
            ),
            row(
                "writableHighWaterMark",
                "writable_high_water_mark",
                "TestWriting::test_drain_does_not_wait_below_the_mark",
            ),
            row(
                "writableObjectMode",
                "writable_object_mode",
                "TestObjectMode::test_object_mode_writes_what_send_takes",
            ),
        ),
    ),
)
