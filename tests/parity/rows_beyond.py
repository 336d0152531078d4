"""The rows of options that ws does not have. They have both spellings, too."""

from __future__ import annotations

from .row import Section, row
from .rows_server import SECONDS

BOTH = (
    row(
        "heartbeat",
        "heartbeat",
        "test_a_silent_peer_is_pinged_and_given_up test_interval_and_timeout_may_differ",
        'In seconds under both names: an interval, or `(interval, timeout)`. A peer that stays silent is sent 1011, "keepalive ping timeout".',
    ),
    row(
        "highWaterMark",
        "high_water_mark",
        "test_drop_keeps_the_queue_under_the_mark_and_one_message",
        "If more bytes than this are queued, `await send` waits.",
    ),
    row(
        "slowPeer",
        "slow_peer",
        """test_drop_keeps_the_queue_under_the_mark_and_one_message
        test_close_ends_the_connection_with_1013 test_pause_is_the_default_and_refuses_nothing""",
        """"pause", "drop" or "close": what happens to messages above the high-water mark.""",
    ),
)

BEYOND_SECTIONS = (
    Section(
        "Beyond ws: options of `WebSocketServer`",
        "server option",
        (
            *BOTH,
            row(
                "handshakeTimeout",
                "handshake_timeout",
                "TestHeads::test_a_slow_head_ends_at_its_deadline",
                SECONDS,
            ),
            row(
                "maxConnections",
                "max_connections",
                "test_a_connection_beyond_the_limit_gets_503_until_another_is_gone",
                "Further requests get 503.",
            ),
            row(
                "maxHeaderBytes",
                "max_header_bytes",
                "TestHeads::test_a_head_that_is_too_long_gets_431",
                "Bytes of a request's head.",
            ),
            row(
                "maxHeaders",
                "max_headers",
                "TestHeads::test_a_head_with_too_many_fields_gets_431",
                "Header fields of a request.",
            ),
            row(
                "responseTimeout",
                "response_timeout",
                "test_a_reader_that_takes_nothing_is_cut",
                SECONDS,
            ),
            row("reusePort", "reuse_port", "TestListening::test_reuse_port"),
            row(
                "sock",
                "sock",
                "TestListening::test_a_server_may_adopt_a_socket",
                "A socket that is bound or listening.",
            ),
            row(
                "ssl",
                "ssl",
                "test_an_answer_that_refuses_ends_the_tls_connection TestTls::test_messages_pass_both_ways_over_tls",
                "An `ssl.SSLContext`. With it, `port` serves `wss:`.",
            ),
            row(
                "unix",
                "unix",
                "TestListening::test_a_server_may_listen_on_a_unix_socket",
                "The path of a Unix socket to listen on.",
            ),
            row(
                "unixMode",
                "unix_mode",
                "TestUnixMode::test_unix_mode_sets_the_permissions_of_the_file",
                "The permissions of the Unix socket's file, as in 0o660. By default they are what the umask leaves.",
            ),
        ),
    ),
    Section(
        "Beyond ws: events of `WebSocketServer`",
        "server event",
        (
            row(
                "tlsClientError",
                "tls_client_error",
                "test_each_is_an_event_and_counted test_an_http_server_tells_each_server_on_it",
                """`(error, peername)`: a TLS handshake failed. In Node, it is an event of the HTTPS server, and gives
                the socket. Here, `HttpServer` has it too, the connection has ended, and `peername` is the
                client's address.""",
            ),
        ),
    ),
    Section(
        "Beyond ws: options of `WebSocket`",
        "client option",
        (
            *BOTH,
            row(
                "protocols",
                "protocols",
                "TestTheRequest::test_protocols_as_an_option",
                "The second parameter of `WebSocket`, as a keyword.",
            ),
            row(
                "proxy",
                "proxy",
                "test_messages_pass_through_each_proxy test_a_refusal_of_the_proxy_is_an_error",
                """`http://user:password@host:port`, or the schemes socks4, socks4a, socks5, socks5h. In Node, an `agent`
                does this. SOCKS needs `wsrs[proxy]`.""",
            ),
            row(
                "ssl",
                "ssl",
                "TestTls::test_messages_pass_both_ways_over_tls",
                "An `ssl.SSLContext`, instead of `ca`, `cert` and so on.",
            ),
        ),
    ),
)
