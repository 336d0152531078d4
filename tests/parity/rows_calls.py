"""The rows of calls: methods and hooks with their parameters, and listeners with their arguments."""

from __future__ import annotations

from .row import Section, row

LISTENING = "TestListening::test_the_address_is_known_at_once_and_listening_follows"
WIRE = "TestTheRequest::test_the_request_as_it_is_on_the_wire"
HANDED_OVER = "TestTransportsOfOthers::test_transports_of_others_become_websockets"
CLOSED_AGAIN = "TestTheEnd::test_closing_a_closed_server"
LISTENER = "TestEventTarget::test_objects_with_handle_event_once_and_removal"
BEATS = "TestSending::test_pings_and_pongs_carry_their_data"
CALLBACK = "TestSending::test_a_callback_is_called_after_its_frame"
FINISH = "TestTheRequest::test_finish_request_may_change_and_delay_it"
REDIRECT = "TestRedirects::test_with_a_redirect_listener_no_credentials_are_dropped"
CONNECTION = "TestConnections::test_connection_and_its_request"
PINGS = "TestReceiving::test_pings_are_answered_and_emitted"

CALL_SECTIONS = (
    Section(
        "Calls, with their positional parameters",
        "call",
        (
            row("WebSocketServer(options, callback)", "WebSocketServer(options, callback)", LISTENING),
            row(
                "WebSocketServer.handleUpgrade(request, socket, head, callback)",
                "WebSocketServer.handle_upgrade(request, transport, head, callback)",
                HANDED_OVER,
            ),
            row(
                "WebSocketServer.shouldHandle(request)",
                "WebSocketServer.should_handle(request)",
                "TestRefusals::test_should_handle_can_be_overridden",
            ),
            row("WebSocketServer.close(callback)", "WebSocketServer.close(callback)", CLOSED_AGAIN),
            row("WebSocket(address, protocols, options)", "WebSocket(address, protocols, options)", WIRE),
            row(
                "WebSocket.addEventListener(type, listener, options)",
                "WebSocket.add_event_listener(type, listener, options)",
                LISTENER,
            ),
            row(
                "WebSocket.removeEventListener(type, listener)",
                "WebSocket.remove_event_listener(type, listener)",
                f"{LISTENER} TestEventTarget::test_remove_event_listener_removes_only_event_listeners",
            ),
            row(
                "WebSocket.close(code, reason)",
                "WebSocket.close(code, reason)",
                "TestOrderly::test_the_server_may_begin_the_close",
            ),
            row("WebSocket.ping(data, mask, callback)", "WebSocket.ping(data, mask, callback)", BEATS),
            row("WebSocket.pong(data, mask, callback)", "WebSocket.pong(data, mask, callback)", BEATS),
            row(
                "WebSocket.send(data, options, callback)",
                "WebSocket.send(data, options, callback)",
                f"{CALLBACK} TestSending::test_options_in_a_mapping_and_as_keywords",
                "Options may also be keywords.",
            ),
            row(
                "createWebSocketStream(websocket, options)",
                "create_websocket_stream(websocket, options)",
                "TestStrings::test_strings_may_be_sent_as_text",
                "Options may also be keywords.",
            ),
        ),
    ),
    Section(
        "Options that are functions, with their positional parameters",
        "hook",
        (
            row(
                "verifyClient(info, cb)",
                "verify_client(info, cb)",
                "TestVerifyClient::test_verify_client_with_one_parameter TestVerifyClient::test_verify_client_with_two_parameters",
            ),
            row(
                "handleProtocols(protocols, request)",
                "handle_protocols(protocols, request)",
                "TestConnections::test_handle_protocols",
            ),
            row("finishRequest(request, websocket)", "finish_request(request, websocket)", FINISH),
            row(
                "generateMask(mask)",
                "generate_mask(mask)",
                "TestSending::test_a_client_may_mask_with_its_own_keys",
            ),
        ),
    ),
    Section(
        "Positional arguments of the listeners of `WebSocketServer`",
        "given by a server",
        (
            row("close()", "close()", CLOSED_AGAIN),
            row("connection(websocket, request)", "connection(websocket, request)", CONNECTION),
            row("error(error)", "error(error)", "TestListening::test_a_taken_port_is_an_error"),
            row(
                "headers(headers, request)",
                "headers(headers, request)",
                "TestConnections::test_the_headers_event_may_change_the_answer",
                "`headers` is a list of the lines of the response, which a listener may change.",
            ),
            row("listening()", "listening()", LISTENING),
            row(
                "wsClientError(error, socket, request)",
                "ws_client_error(error, transport, request)",
                "TestRefusals::test_ws_client_error_owns_the_socket",
            ),
        ),
    ),
    Section(
        "Positional arguments of the listeners of `WebSocket`",
        "given by a websocket",
        (
            row(
                "close(code, reason)", "close(code, reason)", "TestOrderly::test_the_peer_may_begin_the_close"
            ),
            row(
                "error(error)",
                "error(error)",
                "TestErrorCodes::test_a_fault_of_a_client_has_its_error_and_close_codes",
            ),
            row(
                "message(data, isBinary)",
                "message(data, is_binary)",
                "TestReceiving::test_the_message_event_has_bytes",
            ),
            row("open()", "open()", "TestInOtherEvents::test_a_client_may_close_in_its_open_event"),
            row("ping(data)", "ping(data)", PINGS),
            row("pong(data)", "pong(data)", PINGS),
            row(
                "redirect(url, request)",
                "redirect(url, request)",
                f"{REDIRECT} TestRedirects::test_redirects_are_followed_with_follow_redirects",
            ),
            row(
                "unexpected-response(request, response)",
                "unexpected_response(request, response)",
                "TestTheAnswer::test_unexpected_response_gives_the_response",
            ),
            row(
                "upgrade(response)",
                "upgrade(response)",
                "TestTheAnswer::test_frames_behind_the_answer_wait_for_open",
            ),
        ),
    ),
    Section(
        "Members of a client's request, as `finishRequest` and `'redirect'` get it",
        "request member",
        (
            row("end", "end", FINISH),
            row("getHeader", "get_header", FINISH),
            row("removeHeader", "remove_header", REDIRECT),
            row("setHeader", "set_header", FINISH),
        ),
    ),
)
