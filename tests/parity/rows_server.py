"""The rows of `WebSocketServer`: its options, the parameters of its hooks, its events and members."""

from __future__ import annotations

from .row import Section, row

LISTENING = "TestListening::test_the_address_is_known_at_once_and_listening_follows"
CONNECTION = "TestConnections::test_connection_and_its_request"
VERIFY_ONE, VERIFY_TWO = (
    "TestVerifyClient::test_verify_client_with_one_parameter",
    "TestVerifyClient::test_verify_client_with_two_parameters",
)
PROTOCOLS = "TestConnections::test_handle_protocols"
NO_SERVER = "TestConnections::test_no_server_works_with_an_http_server_of_the_program"
HEADS = "TestConnections::test_the_headers_event_may_change_the_answer"
REFUSED = "TestRefusals::test_ws_client_error_owns_the_socket"
CLOSING = "TestTheEnd::test_close_waits_for_the_clients"

SECONDS = "In seconds under the PEP 8 name, as in asyncio, and in milliseconds under the ws name."
ZLIB = "Only the options that zlib uses while it deflates have an effect, because the window is negotiated."

CONNECTION_OPTIONS = (
    row("allowSynchronousEvents", "allow_synchronous_events", "TestBothSides::test_allow_synchronous_events"),
    row("autoPong", "auto_pong", "TestBothSides::test_auto_pong"),
    row("closeTimeout", "close_timeout", "TestBothSides::test_close_timeout_in_both_units", SECONDS),
    row(
        "maxBufferedChunks",
        "max_buffered_chunks",
        "TestBothSides::test_max_buffered_chunks",
        """It bounds the pieces in which a message is held. Pieces that are joined as they arrive are not counted,
        because they hold no memory of their own.""",
    ),
    row("maxFragments", "max_fragments", "TestBothSides::test_max_fragments_of_a_message"),
    row(
        "maxPayload",
        "max_payload",
        "TestBothSides::test_max_payload_counts_the_whole_message TestErrorCodes::test_a_fault_of_a_client_has_its_error_and_close_codes",
    ),
    row(
        "maxPendingAutoPongs",
        "max_pending_auto_pongs",
        "TestBothSides::test_max_pending_auto_pongs",
        """Above it, pings are not answered until there is room. No pong is held for them, so the connection need
        not end. ws terminates it.""",
    ),
    row("skipUTF8Validation", "skip_utf8_validation", "TestBothSides::test_skip_utf8_validation"),
)

SERVER_SECTIONS = (
    Section(
        "Classes",
        "class",
        (
            row(
                "WebSocketServer",
                "WebSocketServer",
                "TestConstruction::test_exactly_one_place_must_be_given TestTheEnd::test_shutdown_closes_every_client_with_1001",
                """Also an asynchronous context manager, with `wait_listening`, `wait_closed`, `shutdown` and
                `serve_forever`. Options may also be keywords.""",
            ),
            row("Server", "Server", LISTENING, "ws's other name for `WebSocketServer`."),
            row(
                "WebSocket",
                "WebSocket",
                "TestTheRequest::test_the_request_as_it_is_on_the_wire TestContext::test_the_context_closes_with_1000",
                """Also an asynchronous context manager and iterator, with `recv`, `wait_open` and
                `wait_closed`. Options may also be keywords.""",
            ),
        ),
    ),
    Section(
        "Options of `WebSocketServer`",
        "server option",
        (
            *CONNECTION_OPTIONS,
            row("backlog", "backlog", "TestServer::test_backlog"),
            row(
                "clientTracking",
                "client_tracking",
                "TestServer::test_client_tracking TestConnections::test_client_tracking_off",
            ),
            row(
                "handleProtocols",
                "handle_protocols",
                PROTOCOLS,
                """The protocols are the keys of a dict (`collections.abc.KeysView`), a set that keeps the client's order as
                JavaScript's does. Use `"chat" in protocols` for `has`, and `next(iter(protocols))` for the first.""",
            ),
            row(
                "host",
                "host",
                f"{LISTENING} TestListening::test_the_name_of_a_host_is_resolved "
                "TestTcp::test_addresses_that_the_machine_lacks_are_passed_over",
                "A server listens on every address of a name that the machine has; Node listens on the first one only.",
            ),
            row("noServer", "no_server", f"{NO_SERVER} TestListening::test_no_server"),
            row(
                "path",
                "path",
                "TestRefusals::test_refusals_give_the_reason TestRefusals::test_the_path_may_have_a_query",
            ),
            row(
                "perMessageDeflate",
                "per_message_deflate",
                "TestNegotiation::test_off_by_default_in_a_server TestParameters::test_zlib_deflate_options",
            ),
            row("port", "port", f"{LISTENING} TestListening::test_a_taken_port_is_an_error"),
            row(
                "server",
                "server",
                "TestConnections::test_an_external_server_stays_open",
                "A `wsrs.http.HttpServer`, which stands for Node's `http.Server` and, with `ssl=`, its `https.Server`.",
            ),
            row(
                "verifyClient",
                "verify_client",
                f"{VERIFY_ONE} {VERIFY_TWO} TestVerifyClient::test_verify_client_as_a_coroutine_function",
                """It may also be a coroutine function. It must have one or two positional parameters without a default;
                otherwise the constructor of the server raises a `TypeError`. If it is cancelled, the client gets 503.""",
            ),
            row("WebSocket", "web_socket", "TestConnections::test_a_server_may_use_a_subclass_of_websocket"),
        ),
    ),
    Section(
        "Parameters of `WebSocketServer(options, callback)`",
        "argument",
        (row("callback", "callback", LISTENING),),
    ),
    Section(
        "Fields of `info`, the argument of `verifyClient`",
        "verify info",
        (
            row("origin", "origin", f"{VERIFY_ONE} TestVerifyClient::test_the_origin_of_version_8"),
            row("req", "req", VERIFY_ONE),
            row(
                "secure",
                "secure",
                f"{VERIFY_ONE} TestTls::test_messages_pass_both_ways_over_tls",
                "True if the transport uses TLS.",
            ),
        ),
    ),
    Section(
        "Positional parameters of `verifyClient`'s callback",
        "argument",
        (
            row("result", "result", VERIFY_TWO),
            row("code", "code", VERIFY_TWO),
            row("name", "name", VERIFY_TWO),
            row("headers", "headers", VERIFY_TWO),
        ),
    ),
    Section(
        "Parameters of `perMessageDeflate`",
        "deflate option",
        (
            row(
                "serverNoContextTakeover",
                "server_no_context_takeover",
                "TestParameters::test_server_no_context_takeover TestNegotiation::test_a_client_asks_for_what_its_options_say",
            ),
            row(
                "clientNoContextTakeover",
                "client_no_context_takeover",
                "TestParameters::test_client_no_context_takeover",
            ),
            row(
                "serverMaxWindowBits", "server_max_window_bits", "TestParameters::test_server_max_window_bits"
            ),
            row(
                "clientMaxWindowBits", "client_max_window_bits", "TestParameters::test_client_max_window_bits"
            ),
            row(
                "zlibDeflateOptions",
                "zlib_deflate_options",
                "TestParameters::test_zlib_deflate_options",
                ZLIB,
            ),
            row(
                "zlibInflateOptions",
                "zlib_inflate_options",
                "TestParameters::test_zlib_inflate_options",
                ZLIB,
            ),
            row(
                "threshold",
                "threshold",
                "TestParameters::test_threshold TestParameters::test_the_first_fragment_decides_for_all",
            ),
            row("concurrencyLimit", "concurrency_limit", "TestParameters::test_concurrency_limit"),
        ),
    ),
    Section(
        "Events of `WebSocketServer`",
        "server event",
        (
            row("close", "close", f"{CLOSING} TestTheEnd::test_closing_a_closed_server"),
            row("connection", "connection", CONNECTION),
            row(
                "error",
                "error",
                "TestListening::test_a_taken_port_is_an_error",
                "The error is an `OSError`. If a task awaits `wait_listening()`, that raises it instead.",
            ),
            row("headers", "headers", HEADS),
            row("listening", "listening", LISTENING),
            row("wsClientError", "ws_client_error", REFUSED, "The socket is an `asyncio.Transport`."),
        ),
    ),
    Section(
        "Members of `WebSocketServer`",
        "server member",
        (
            row(
                "address",
                "address",
                f"{LISTENING} TestListening::test_a_server_may_listen_on_a_unix_socket",
                'A dict with "address", "family" and "port", or the path of a Unix socket. With `no_server` it raises a `RuntimeError`.',
            ),
            row(
                "clients",
                "clients",
                f"{CONNECTION} TestConnections::test_clients_may_change_while_they_are_iterated",
                """It may change while it is iterated, as a set in JavaScript may. `broadcast`, which ws does not have, sends
                a message to all of them.""",
            ),
            row(
                "close",
                "close",
                f"{CLOSING} TestTheEnd::test_closing_a_closed_server",
                """The callback gets no argument, or an error if the server is already closed, as in ws. So in Python
                its parameter needs a default: `def closed(error=None)`.""",
            ),
            row(
                "completeUpgrade",
                "complete_upgrade",
                "TestConnections::test_the_same_socket_cannot_be_upgraded_twice",
            ),
            row(
                "handleUpgrade",
                "handle_upgrade",
                f"{NO_SERVER} TestConnections::test_the_same_socket_cannot_be_upgraded_twice "
                "TestWhatIsSeen::test_the_old_transport_is_closed_and_its_protocol_hears_nothing "
                "TestHeads::test_a_request_without_one_valid_host_gets_400",
                """The socket is any `asyncio.Transport`; a plain one of asyncio or uvloop is closed, and its connection
                goes on in the engine. `adopt`, which ws does not have, takes a connected socket. `head` and `callback` may be left out, and `callback` may be a
                coroutine function. A request without exactly one valid Host (RFC 9112 3.2) and a request of HTTP/1.0
                (RFC 9110 7.8) are refused with 400.""",
            ),
            row(
                "shouldHandle",
                "should_handle",
                "TestRefusals::test_should_handle_can_be_overridden",
                "Overriding one spelling, in a subclass or on one server, overrides both.",
            ),
        ),
    ),
)
