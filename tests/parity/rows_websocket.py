"""The rows of `WebSocket`: constants, events, members, event objects, the environment and the error codes."""

from __future__ import annotations

from .row import Section, row

STATES = "TestStates::test_the_constants_are_the_states_of_a_connection"
OBJECTS = "TestEventTarget::test_the_four_events_are_objects_for_event_listeners"
BEGIN = "TestTheAnswer::test_frames_behind_the_answer_wait_for_open"
TYPES, CHANGES = "TestReceiving::test_binary_types", "TestReceiving::test_binary_type_may_change_at_any_time"
UNTAKEN = """TestUntakenMessages::test_after_a_message_listener_messages_are_dropped_at_once
TestUntakenMessages::test_with_other_listeners_messages_wait_and_are_then_dropped"""
PAUSE = "TestReceiving::test_pause_and_resume"
PAUSE_IN_VAIN = "TestMembers::test_pause_and_resume_have_no_effect_unless_open"
PINGS, BEATS = (
    "TestReceiving::test_pings_are_answered_and_emitted",
    "TestSending::test_pings_and_pongs_carry_their_data",
)
AFTERWARDS = "TestAfterwards::test_sending_after_close_sends_nothing_and_tells_the_callback"
PEER_BEGINS, WE_BEGIN = (
    "TestOrderly::test_the_peer_may_begin_the_close",
    "TestOrderly::test_the_server_may_begin_the_close",
)
CALLBACK = "TestSending::test_a_callback_is_called_after_its_frame"
OF_A_CLIENT, OF_A_SERVER = (
    "TestErrorCodes::test_a_fault_of_a_client_has_its_error_and_close_codes",
    "TestErrorCodes::test_a_fault_of_a_server_has_its_error_and_close_codes",
)
ENVIRONMENT_TEST = "test_a_variable_keeps_the_native_core_out"

TOO_LONG = """More than 125 bytes raise a `ValueError`, a `RangeError` in ws. Its text names the length, which ws's does
not."""
NO_FUNCTION = """A value other than a function or None raises a `TypeError` and changes nothing. In ws it removes the
listener, as null does."""
AWAITED = """It may also be awaited. That waits while more than the high-water mark is queued, and raises
`ConnectionClosed` after the end."""
TEXT_AS_STR = "It is a `str` for text. For binary, `binary_type` decides."
PURE = "It selects the pure core in place of the whole Rust core."

WEBSOCKET_SECTIONS = (
    Section(
        "Ready states of `WebSocket`, its instances and the module",
        "constant",
        tuple(row(name, name, STATES) for name in ("CONNECTING", "OPEN", "CLOSING", "CLOSED")),
    ),
    Section(
        "Events of `WebSocket`",
        "websocket event",
        (
            row("close", "close", f"{PEER_BEGINS} {WE_BEGIN}", "`reason` is `bytes`."),
            row(
                "error",
                "error",
                f"{OF_A_CLIENT} TestDisorderly::test_a_fault_without_an_error_listener_is_reported",
                """Without a listener, the error goes to `loop.call_exception_handler`, and the process continues. A task
                that takes messages by `recv` or `async for` gets an exception instead.""",
            ),
            row(
                "message",
                "message",
                f"TestReceiving::test_the_message_event_has_bytes {TYPES} {UNTAKEN}",
                """`data` is `bytes` where ws gives a `Buffer`, for text as well. Messages without a listener are
                dropped at once only after the program has listened to `message`. Before that they wait for `recv` or
                `async for`: up to 16 messages or 64 KiB, then reading stops. If there are only other listeners, the
                messages are dropped when reading has stopped for 5 s, or when the program calls `close()`.""",
            ),
            row("open", "open", f"{BEGIN} TestInOtherEvents::test_a_client_may_close_in_its_open_event"),
            row("ping", "ping", PINGS),
            row("pong", "pong", PINGS),
            row(
                "redirect",
                "redirect",
                "TestRedirects::test_redirects_are_followed_with_follow_redirects TestRedirects::test_with_a_redirect_listener_no_credentials_are_dropped",
            ),
            row(
                "unexpected-response",
                "unexpected_response",
                """TestTheAnswer::test_unexpected_response_gives_the_response
                TestTheAnswer::test_a_handshake_left_to_a_listener_ends_with_its_connection""",
                """`await response.read()` gives the body. If a listener leaves the handshake as it is, `'error'` and
                `'close'` follow when the server hangs up, and when the listener calls `request.abort()`. In ws, nothing
                ever follows then; here a task that awaits `wait_open()` would wait for ever.""",
            ),
            row(
                "upgrade", "upgrade", f"{BEGIN} TestConnections::test_the_headers_event_may_change_the_answer"
            ),
        ),
    ),
    Section(
        "Members of `WebSocket`",
        "websocket member",
        (
            row(
                "addEventListener",
                "add_event_listener",
                f"{OBJECTS} TestEventTarget::test_objects_with_handle_event_once_and_removal",
            ),
            row(
                "binaryType",
                "binary_type",
                f"{TYPES} {CHANGES}",
                """"nodebuffer" is `bytes`, "arraybuffer" a `bytearray`, "blob" a `wsrs.Blob`, "fragments" a
                `list[bytes]`. An unknown value raises a `ValueError`; ws ignores it.""",
            ),
            row(
                "bufferedAmount",
                "buffered_amount",
                f"""{AFTERWARDS} TestMembers::test_buffered_amount_counts_framing_and_is_0_once_sent
                TestMembers::test_buffered_amount_counts_nothing_that_the_program_has_not_sent""",
            ),
            row(
                "close",
                "close",
                f"""{WE_BEGIN} TestOrderly::test_codes_that_cannot_be_sent TestOrderly::test_reasons_that_cannot_be_sent
                TestOrderly::test_the_client_ends_tcp_itself_if_the_server_does_not""",
                """Once both close frames are exchanged, a client waits up to 2 s for the server to end TCP, and then
                ends it itself: RFC 6455 7.1.1 asks clients to wait for that, so that servers hold TIME_WAIT, but only
                for a reasonable time. In ws, a client sends its FIN at once, and waits for the server's until
                `closeTimeout`. Errors name the value that cannot be sent: a `ValueError`, where ws raises a `TypeError`
                or a `RangeError`, and a `TypeError` for a value of another type. A reason without a code raises
                a `ValueError`; ws leaves it out.""",
            ),
            row(
                "extensions",
                "extensions",
                "TestNegotiation::test_a_client_asks_for_what_its_options_say",
                "They are plain dicts of the negotiated parameters.",
            ),
            row("isPaused", "is_paused", f"{PAUSE} {PAUSE_IN_VAIN}"),
            row(
                "onclose",
                "onclose",
                "TestEventTarget::test_each_on_attribute_is_called_for_its_event",
                NO_FUNCTION,
            ),
            row("onerror", "onerror", "TestEventTarget::test_a_fault_gives_an_error_event", NO_FUNCTION),
            row(
                "onmessage",
                "onmessage",
                f"{OBJECTS} TestEventTarget::test_an_attribute_is_one_listener_that_can_be_replaced",
                NO_FUNCTION,
            ),
            row("onopen", "onopen", OBJECTS, NO_FUNCTION),
            row(
                "pause",
                "pause",
                f"{PAUSE} {PAUSE_IN_VAIN} TestInAMessageListener::test_pause_in_a_listener_holds_the_next_message_back",
                "Nothing is delivered until `resume`, not even bytes that were already read.",
            ),
            row(
                "ping",
                "ping",
                f"{BEATS} TestFailing::test_sending_before_the_connection_is_open_is_an_error",
                f"{AWAITED} {TOO_LONG}",
            ),
            row(
                "pong",
                "pong",
                f"{BEATS} TestFailing::test_sending_before_the_connection_is_open_is_an_error",
                f"{AWAITED} {TOO_LONG}",
            ),
            row(
                "protocol",
                "protocol",
                "TestConnections::test_handle_protocols TestConnections::test_the_first_protocol_by_default",
            ),
            row("readyState", "ready_state", STATES),
            row(
                "removeEventListener",
                "remove_event_listener",
                "TestEventTarget::test_objects_with_handle_event_once_and_removal",
            ),
            row("resume", "resume", f"{PAUSE} {PAUSE_IN_VAIN}"),
            row(
                "send",
                "send",
                f"TestSending::test_every_type_can_be_sent TestSending::test_data_that_cannot_be_sent_is_named {CALLBACK} {AFTERWARDS}",
                AWAITED,
            ),
            row(
                "terminate",
                "terminate",
                """TestDisorderly::test_terminate_ends_the_connection_with_1006
                TestFailing::test_a_client_may_give_up_while_it_connects
                test_in_connection_it_takes_back_neither_the_101_nor_what_was_sent""",
                """It calls the transport's `abort()`, which does what `socket.destroy()` does in Node. A transport's
                `close()` would first wait until its queue is written. As in ws, what was sent earlier in the same tick
                is given to the system before.""",
            ),
            row(
                "url",
                "url",
                "TestConnections::test_connection_and_its_request TestRedirects::test_redirects_are_followed_with_follow_redirects",
                "It is None for a server's WebSocket.",
            ),
        ),
    ),
    Section(
        "Options of `send`",
        "send option",
        (
            row("binary", "binary", "TestSending::test_binary_or_text_by_choice"),
            row("compress", "compress", "TestSending::test_compress_by_choice"),
            row(
                "fin",
                "fin",
                "TestSending::test_a_ping_may_be_sent_between_fragments TestParameters::test_the_first_fragment_decides_for_all",
            ),
            row(
                "mask",
                "mask",
                "TestSending::test_the_mask_of_a_message_may_be_chosen TestSending::test_pings_and_pongs_carry_their_data",
            ),
        ),
    ),
    Section(
        "Parameters of `send`, `ping`, `pong` and `close`",
        "argument",
        (
            row(
                "data",
                "data",
                "TestSending::test_every_type_can_be_sent TestSending::test_data_that_cannot_be_sent_is_named TestSending::test_pings_and_pongs_carry_their_data",
                """`str`; `int` and `float`, as text; objects with the buffer protocol; lists and tuples of 0 to 255;
                `wsrs.Blob`; objects with `__bytes__`. `None` and `bool` are not numbers here and raise a `TypeError`.
                Only in `ping` and `pong`, None means no data, as in ws.""",
            ),
            row(
                "callback",
                "callback",
                f"{CALLBACK} {AFTERWARDS}",
                "It always gets one argument: the error, or None where ws passes nothing. It may be a coroutine function.",
            ),
            row("mask", "mask", BEATS),
            row("code", "code", f"{WE_BEGIN} TestOrderly::test_codes_that_cannot_be_sent"),
            row("reason", "reason", f"{WE_BEGIN} TestOrderly::test_reasons_that_cannot_be_sent"),
        ),
    ),
    Section(
        "Options of `addEventListener`",
        "listener option",
        (row("once", "once", "TestEventTarget::test_objects_with_handle_event_once_and_removal"),),
    ),
    Section(
        "Event objects",
        "event object",
        (
            row(
                "OpenEvent",
                "OpenEvent",
                OBJECTS,
                "`wsrs` exports it, and the three classes below; in ws they are internal.",
            ),
            row("MessageEvent", "MessageEvent", OBJECTS),
            row("CloseEvent", "CloseEvent", OBJECTS),
            row("ErrorEvent", "ErrorEvent", "TestEventTarget::test_a_fault_gives_an_error_event"),
        ),
    ),
    Section(
        "Fields of the event objects",
        "event field",
        (
            row("Event.type", "Event.type", OBJECTS),
            row("Event.target", "Event.target", OBJECTS),
            row(
                "MessageEvent.data",
                "MessageEvent.data",
                f"{OBJECTS} TestEventTarget::test_message_data_has_the_form_of_the_binary_type",
                TEXT_AS_STR,
            ),
            row("CloseEvent.code", "CloseEvent.code", OBJECTS),
            row("CloseEvent.reason", "CloseEvent.reason", OBJECTS, "It is a `str`."),
            row(
                "CloseEvent.wasClean",
                "CloseEvent.was_clean",
                f"{OBJECTS} TestEventTarget::test_each_on_attribute_is_called_for_its_event",
            ),
            row("ErrorEvent.error", "ErrorEvent.error", "TestEventTarget::test_a_fault_gives_an_error_event"),
            row(
                "ErrorEvent.message",
                "ErrorEvent.message",
                "TestEventTarget::test_a_fault_gives_an_error_event",
            ),
        ),
    ),
    Section(
        "Environment variables",
        "environment",
        (
            row("WS_NO_BUFFER_UTIL", "WS_NO_BUFFER_UTIL", ENVIRONMENT_TEST, PURE),
            row("WS_NO_UTF_8_VALIDATE", "WS_NO_UTF_8_VALIDATE", ENVIRONMENT_TEST, PURE),
        ),
    ),
    Section(
        "Error codes, in `error.code` of a `WebSocketError`",
        "error code",
        (
            row("WS_ERR_EXPECTED_FIN", "WS_ERR_EXPECTED_FIN", OF_A_CLIENT),
            row("WS_ERR_EXPECTED_MASK", "WS_ERR_EXPECTED_MASK", OF_A_CLIENT),
            row("WS_ERR_INVALID_CLOSE_CODE", "WS_ERR_INVALID_CLOSE_CODE", OF_A_CLIENT),
            row(
                "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", OF_A_CLIENT
            ),
            row("WS_ERR_INVALID_OPCODE", "WS_ERR_INVALID_OPCODE", f"{OF_A_CLIENT} {OF_A_SERVER}"),
            row("WS_ERR_INVALID_UTF8", "WS_ERR_INVALID_UTF8", OF_A_CLIENT),
            row("WS_ERR_TOO_MANY_BUFFERED_PARTS", "WS_ERR_TOO_MANY_BUFFERED_PARTS", OF_A_CLIENT),
            row("WS_ERR_UNEXPECTED_MASK", "WS_ERR_UNEXPECTED_MASK", OF_A_SERVER),
            row("WS_ERR_UNEXPECTED_RSV_1", "WS_ERR_UNEXPECTED_RSV_1", OF_A_CLIENT),
            row("WS_ERR_UNEXPECTED_RSV_2_3", "WS_ERR_UNEXPECTED_RSV_2_3", OF_A_CLIENT),
            row(
                "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
                "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
                OF_A_CLIENT,
                "The bound is ws's 2^53 - 1, although Python's integers have none.",
            ),
            row(
                "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
                "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
                f"{OF_A_CLIENT} {OF_A_SERVER}",
            ),
        ),
    ),
)
