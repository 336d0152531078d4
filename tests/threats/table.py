"""The classes of faults, the promise about each, and the tests that check the promise.

A Python test has the name that pytest gives it, without parameters. A Rust test is named `rust:PATH::NAME`, and a
fuzz target `fuzz:NAME`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ROWS", "Row"]


class Row(NamedTuple):
    """A class of faults."""

    fault: str
    promise: str
    tests: tuple[str, ...]


FRAMES = "tests/threats/test_frames.py"
FLOODS = "tests/threats/test_floods.py"
HANDSHAKES = "tests/threats/test_handshakes.py"
ENDS = "tests/threats/test_ends.py"
LIMITS = "tests/server/test_limits.py"
SILENCE = "tests/threats/test_silence.py"
SLOW = "tests/threats/test_slow_peers.py"
GROWTH = "tests/threats/test_growth.py"
MEMORY = "tests/threats/test_memory.py"
CROWDS = "tests/threats/test_crowds.py"
REENTRANCY = "tests/websocket/test_reentrancy.py"
CANCELLATION = "tests/threats/test_cancellation.py"
LOGS = "tests/threats/test_logs.py"
CONNECTING = "tests/client/test_connecting.py"
REDIRECTS = "tests/client/test_redirects.py"
CLOSING = "tests/websocket/test_closing.py"

ROWS = (
    Row(
        "Foreign memory disclosed by odd data for a ping or a close reason",
        "Strided, read-only, multi-dimensional and empty buffers, numbers and lists send exactly their bytes. Data "
        "longer than 125 bytes (a reason: 123), or of a wrong type, raises an error and sends nothing",
        (
            f"{FRAMES}::test_a_ping_carries_exactly_the_bytes_of_its_data",
            f"{FRAMES}::test_bad_data_for_a_ping_is_an_error_and_sends_nothing",
            f"{CLOSING}::TestOrderly::test_reasons_that_cannot_be_sent",
        ),
    ),
    Row(
        "A declared length that is allocated before the bytes arrive",
        "A length of 2^53 or more is refused when the header is read (1009). Ten connections that each declare 1 GiB "
        "and send 200 kB cost less than 16 MiB together",
        (
            f"{FRAMES}::test_an_impossible_length_is_refused_when_its_header_is_read",
            f"{FRAMES}::test_a_length_beyond_the_limit_is_refused_when_its_header_is_read",
            f"{FRAMES}::test_a_declared_gibibyte_costs_only_the_bytes_that_arrived",
            "fuzz:frames",
        ),
    ),
    Row(
        "Limits that are checked too late, or for frames instead of messages",
        "`max_payload` holds for messages at the limit, one byte under it and one byte over it: in one frame, in "
        "many, in fragments of one byte, compressed, and compressed in fragments of one byte",
        (f"{FRAMES}::test_limits_hold_exactly",),
    ),
    Row(
        "Floods of tiny or empty fragments",
        "200,000 continuations of one byte or of none end with 1008 and cost less than 16 MiB",
        (f"{FLOODS}::test_200_000_fragments_without_an_end_are_refused",),
    ),
    Row(
        "A long frame in segments of one byte",
        "Eight times as many bytes take at most 24 times as long (half a MiB), and cost at most twice the frame's "
        "memory plus 4 MiB. A frame of 4 MiB in segments of 61 bytes costs less than 9 MiB",
        (
            f"{FRAMES}::test_single_bytes_of_a_long_frame_take_linear_time_and_twice_its_memory",
            f"{FRAMES}::test_a_frame_of_4_mib_in_small_segments_costs_twice_its_size_at_most",
            "fuzz:frames",
        ),
    ),
    Row(
        "Pings faster than the peer reads pongs",
        "24 MiB of pings whose pongs are never read cost less than 12 MiB, and queue less than 1 MiB",
        (
            f"{FLOODS}::test_24_mib_of_pings_with_unread_pongs_keep_memory_flat",
            "tests/core/test_sender.py::test_pongs_that_cannot_be_written_are_bounded",
        ),
    ),
    Row(
        "Requests faster than the peer reads answers",
        "If a program awaits its sends, it queues less than 256 KiB at a high-water mark of 64 KiB, and reading "
        'stops. If it does not, it sees its queue in `buffered_amount`. With `slow_peer` "drop" or "close", no more '
        "than the mark and one message is queued",
        (
            f"{FLOODS}::test_requests_faster_than_the_peer_reads_answers_stop_the_reading",
            f"{FLOODS}::test_buffered_amount_counts_what_a_program_queued_without_awaiting",
            f"{SLOW}::test_drop_keeps_the_queue_under_the_mark_and_one_message",
            f"{SLOW}::test_close_ends_the_connection_with_1013",
            f"{SLOW}::test_a_peer_that_never_reads_is_cut_off_after_close_timeout",
            f"{SLOW}::test_many_messages_at_once_do_not_make_a_peer_slow",
        ),
    ),
    Row(
        "A small view that keeps a large buffer alive",
        "40 connections that each received a message of 512 KiB hold less than 8 MiB afterwards",
        (f"{FLOODS}::test_idle_connections_keep_no_buffer_of_past_messages",),
    ),
    Row(
        "Decompression bombs",
        "64 MiB compressed to 64 KiB, whole and in fragments, end with 1009 at `max_payload` (1 MiB) and cost less "
        "than 8 MiB",
        (
            f"{FRAMES}::test_a_decompression_bomb_costs_no_more_than_the_limit",
            f"{FLOODS}::test_a_decompression_bomb_is_refused_with_1009",
            "fuzz:inflate",
        ),
    ),
    Row(
        "Reserved bits that were not negotiated",
        "Every combination on every opcode ends with 1002, with compression and without",
        (
            f"{FRAMES}::test_reserved_bits_without_an_extension_are_refused",
            "tests/core/test_receiver.py::test_rsv1_belongs_to_the_first_frame_of_a_message",
        ),
    ),
    Row(
        "Bad DEFLATE streams",
        "Bad blocks, a message cut within a block, and garbage end with 1007. Blocks with BFINAL, stored blocks and "
        "empty messages are read. Nothing hangs, and the verdict is the same as zlib's",
        (
            f"{FRAMES}::test_a_bad_deflate_stream_ends_with_an_error",
            "tests/core/test_receiver.py::test_a_block_with_bfinal_does_not_end_the_history",
            "tests/core/test_receiver.py::test_empty_compressed_messages_arrive",
            "fuzz:inflate",
        ),
    ),
    Row(
        "Hostile extension parameters",
        "Windows out of range, repeated and unknown parameters, unclosed strings, and 100,000 tokens lead to status "
        "400 or a failed handshake, in linear time",
        (
            "tests/core/test_negotiation.py::test_a_server_refuses_bad_offers",
            "tests/core/test_negotiation.py::test_a_client_refuses_bad_answers",
            f"{HANDSHAKES}::test_a_client_refuses_an_answer_with_the_same_faults",
            "rust:src/protocol/extension.rs::long_hostile_values_are_read_only_once",
            "fuzz:extensions",
        ),
    ),
    Row(
        "Parsing whose time grows faster than its input",
        "The time is linear between 4 KiB and 64 KiB of separators. A head is refused at 16 KiB (431), whether 20 MB "
        "arrive in large pieces or byte by byte",
        (
            "tests/core/test_negotiation.py::test_hostile_values_take_linear_time",
            f"{HANDSHAKES}::test_a_header_of_64_k_separators_is_answered_at_once",
            f"{HANDSHAKES}::test_20_mb_of_head_are_refused_at_16_kib",
            f"{HANDSHAKES}::test_a_head_sent_byte_by_byte_is_refused_at_16_kib",
            "fuzz:heads",
        ),
    ),
    Row(
        "Thousands of header fields; missing, repeated or folded fields",
        "The answer is 431 or another 4xx, and the server continues",
        (
            f"{HANDSHAKES}::test_an_ambiguous_request_is_refused",
            "tests/core/test_handshake.py::test_a_field_that_is_repeated_counts_as_absent",
        ),
    ),
    Row(
        "Request smuggling",
        "An upgrade with `Content-Length` or `Transfer-Encoding` and a request without exactly one valid Host are refused. "
        "Bytes after a request are read as frames",
        (
            f"{HANDSHAKES}::test_an_ambiguous_request_is_refused",
            f"{HANDSHAKES}::test_a_second_request_behind_an_upgrade_is_read_as_frames",
            "tests/http/test_protocol.py::TestHeads::test_a_request_without_one_valid_host_gets_400",
            "tests/http/test_protocol.py::TestHeads::test_only_the_blanks_of_http_are_stripped",
            "fuzz:heads",
        ),
    ),
    Row(
        "Header injection by our own caller",
        "CR, LF or NUL in a header, its name, an origin or a subprotocol raises a `ValueError`, and nothing is sent. "
        "If it comes from a hook of a server, the answer is 500, and the error is reported",
        (
            f"{HANDSHAKES}::test_no_option_of_a_client_breaks_out_of_its_header_line",
            f"{HANDSHAKES}::test_no_value_of_a_hook_breaks_out_of_the_servers_answer",
            "tests/server/test_server.py::TestConnections::test_a_header_cannot_break_out_of_its_line",
        ),
    ),
    Row(
        "Log injection by the peer",
        "In errors, in `repr` and in reports to the loop, the peer's text (reasons, request targets, fields, "
        "responses, addresses of redirects) is quoted, without line ends and escapes. Passwords of addresses are left "
        "out",
        (
            f"{LOGS}::test_a_close_reason_is_quoted",
            f"{LOGS}::test_a_request_on_which_our_hooks_fail_is_quoted",
            f"{LOGS}::test_an_answer_that_fails_the_handshake_is_quoted",
        ),
    ),
    Row(
        "Credentials that follow a redirect",
        "`Authorization` and `Cookie` are not sent to another host or port, as in ws",
        (
            f"{REDIRECTS}::TestRedirects::test_credentials_go_to_no_other_host",
            f"{REDIRECTS}::TestRedirects::test_with_a_redirect_listener_no_credentials_are_dropped",
        ),
    ),
    Row(
        "Predictable masks",
        "Keys come from the system's entropy. They differ between frames, between connections, and between both sides "
        "of a fork",
        (
            f"{ENDS}::test_masks_differ_from_frame_to_frame_and_between_connections",
            f"{ENDS}::test_a_fork_touches_no_socket_of_its_parent_and_draws_masks_of_its_own",
        ),
    ),
    Row(
        "Cross-site hijacking",
        "`verify_client` sees the origin before anything is accepted, and an origin that it refuses gets 401. The "
        "example in the README does that",
        (
            "tests/test_readme.py::test_a_page_of_another_site_gets_401",
            f"{HANDSHAKES}::test_an_origin_that_is_not_ours_gets_401",
            "tests/server/test_verify_client.py::TestVerifyClient::test_verify_client_with_one_parameter",
        ),
    ),
    Row(
        "Frames that break RFC 6455",
        "Masks of the wrong role, unknown opcodes, fragmented or long control frames, continuations of nothing, and "
        "data within a message end with the `WS_ERR_…` and the close code of ws, however the bytes are cut",
        (
            f"{FRAMES}::test_every_other_rule_of_a_frame_is_enforced",
            "tests/core/test_receiver.py::test_a_server_gets_the_same_events_however_the_bytes_are_cut",
            "fuzz:frames",
        ),
    ),
    Row(
        "Close codes and bodies",
        "Codes from 0 to 65535 follow the table of RFC 6455 7.4. A body of one byte and bad UTF-8 in a reason are "
        "faults",
        (
            f"{FRAMES}::test_every_close_code_is_taken_or_refused_as_the_rfc_says",
            f"{FRAMES}::test_every_other_rule_of_a_frame_is_enforced",
        ),
    ),
    Row(
        "Use after close",
        "Any call, in any event and after it, has a clear error or no effect, and there is one `'close'`",
        (
            f"{REENTRANCY}::TestInOtherEvents::test_any_method_may_be_called_in_any_event",
            f"{CLOSING}::TestAfterwards::test_sending_after_close_sends_nothing_and_tells_the_callback",
            "tests/core/test_delivery.py::test_every_method_may_be_called_after_the_end",
        ),
    ),
    Row(
        "Listeners that raise, close the server, remove themselves or re-enter",
        "The other listeners and the other connections continue",
        (
            f"{ENDS}::test_a_listener_that_raises_leaves_the_others_alone",
            f"{REENTRANCY}::TestInOtherEvents::test_an_exception_in_every_listener_is_reported",
            f"{REENTRANCY}::TestInAMessageListener::test_a_listener_may_close_the_whole_server",
            f"{REENTRANCY}::TestInAMessageListener::test_a_listener_may_remove_itself_and_add_another",
            "tests/faults/test_listeners.py::test_faults_of_a_servers_websocket_listeners_leave_the_others_alone",
            "tests/faults/test_listeners.py::test_faults_of_a_clients_listeners_leave_the_others_alone",
            "tests/faults/test_listeners.py::test_faults_of_a_servers_own_listeners_leave_the_others_alone",
        ),
    ),
    Row(
        "Slow and half-open peers",
        "A request sent byte by byte, half of a TLS hello, a response that never arrives, and an unanswered close are "
        "ended at their deadline",
        (
            f"{HANDSHAKES}::test_a_slow_request_ends_at_its_deadline",
            f"{HANDSHAKES}::test_half_of_a_tls_hello_ends_at_the_deadline",
            f"{CONNECTING}::TestFailing::test_a_handshake_without_an_answer_times_out",
            f"{ENDS}::test_a_peer_that_never_answers_a_close_is_cut_off",
        ),
    ),
    Row(
        "Peers that vanish without a word",
        "With `heartbeat`, a peer is pinged after an interval without a byte, and the connection is ended if no "
        "byte arrives within the timeout: the peer is sent 1011, the program sees 1006. A program that has paused does not lose its peer by that, and pings "
        "in 64 KiB read ahead are answered",
        (
            f"{SILENCE}::test_a_silent_peer_is_pinged_and_given_up",
            "tests/faults/test_network.py::test_both_ends_of_a_connection_that_has_fallen_silent_notice",
            "tests/faults/test_system.py::test_a_loop_that_was_blocked_takes_no_peer_for_silent",
            f"{SILENCE}::test_any_byte_proves_that_the_peer_is_there",
            f"{SILENCE}::test_a_pause_is_not_taken_for_silence",
            f"{SILENCE}::test_pings_are_answered_while_the_program_has_paused",
            "tests/core/test_ping_scan.py::test_reading_ahead_stops_at_its_bound",
            "rust:src/protocol/receiver/ping_scan.rs::each_ping_is_seen_once_however_the_bytes_are_cut",
        ),
    ),
    Row(
        "More connections than a server can hold",
        "With `max_connections`, requests above it get 503 before `verify_client` is called. Handshakes that wait for "
        "its verdict count, and no place is lost",
        (
            f"{LIMITS}::test_a_connection_beyond_the_limit_gets_503_until_another_is_gone",
            f"{LIMITS}::test_handshakes_that_wait_for_their_verdict_count_as_connections",
            f"{LIMITS}::test_a_handshake_whose_verdict_is_late_does_not_count",
        ),
    ),
    Row(
        "Descriptors that run out",
        "Accepting pauses without spinning, and resumes by itself. Open connections are served meanwhile",
        (
            "tests/faults/test_system.py::test_without_descriptors_the_others_go_on",
            f"{ENDS}::test_without_descriptors_accepting_pauses_and_recovers",
            "rust:src/engine/tests/accepting.rs::*",
            "fuzz:engine",
        ),
    ),
    Row(
        "Resets within a frame, within a write, and during the handshake",
        "There is one `'close'` with 1006, and at most one `'error'` before it. Tasks that wait get an exception",
        (
            "tests/faults/test_network.py::test_resets_at_every_byte_of_a_frame_leave_the_others_alone",
            "tests/faults/test_network.py::test_a_storm_of_resets_leaves_the_others_alone",
            f"{ENDS}::test_a_reset_in_mid_frame",
            f"{ENDS}::test_a_reset_in_mid_write",
            f"{ENDS}::test_a_reset_during_the_handshake",
            "fuzz:engine",
        ),
    ),
    Row(
        "Memory that stays with idle connections",
        "After a compressed message, and while a TLS record is incomplete, a connection keeps no buffer. A refused "
        "decompression bomb is freed at once, without the garbage collector. Whatever a peer sends, its connection holds "
        "no more than 512 KiB, one message and what is queued for sending",
        (
            f"{MEMORY}::test_connections_keep_nothing_of_their_last_compressed_message",
            f"{MEMORY}::test_connections_that_are_offered_a_buffer_keep_none",
            f"{MEMORY}::test_a_refused_bomb_keeps_nothing",
            f"{MEMORY}::test_a_hostile_connection_holds_no_more_than_is_promised",
        ),
    ),
    Row(
        "Time that grows with the crowd",
        "Deadlines of 8,000 silent connections, refusals while 8,000 handshakes wait for `verify_client`, and 8,000 "
        "interim responses in a row take time in proportion to their number, compared with 500",
        (
            f"{GROWTH}::test_deadlines_of_silent_connections_take_linear_time",
            f"{GROWTH}::test_deadlines_that_were_met_take_linear_time",
            f"{GROWTH}::test_a_refusal_above_the_limit_looks_at_few_of_those_that_wait",
            f"{GROWTH}::test_endless_interim_responses_take_linear_time",
        ),
    ),
    Row(
        "A crowd with full buffers that holds the loop",
        "wsrs keeps the loop for a slice of 5 ms at a stretch (`set_time_slice`). Messages that arrived meanwhile wait "
        "for the next slices, in order, and connections take turns. Timers, tasks and handshakes run in between: "
        "a newcomer does not wait for the crowd. Messages may be short, compressed, taken by listeners or by tasks",
        (
            f"{CROWDS}::test_a_crowd_with_full_buffers_leaves_the_loop_to_others",
            f"{CROWDS}::test_answers_that_nobody_reads_leave_the_loop_to_others",
            "tests/core/test_time_slice.py::test_connections_take_turns",
            "tests/core/test_time_slice.py::test_a_long_read_is_delivered_in_several_ticks_and_in_order",
            "tests/core/test_time_slice.py::test_a_task_that_takes_many_messages_lets_others_run",
        ),
    ),
    Row(
        "Cancellation",
        "A task that receives, sends, connects, closes, waits for an end, starts to serve or shuts down may be "
        "cancelled at any moment. No message is lost, no frame is torn or interleaved, no task or socket is left "
        "behind, and the end still comes",
        (
            f"{CANCELLATION}::test_cancelling_a_receiver_loses_no_message",
            f"{CANCELLATION}::test_cancelling_a_sender_neither_cuts_nor_loses_a_frame",
            f"{CANCELLATION}::test_a_client_may_be_cancelled_while_it_connects",
            f"{CANCELLATION}::test_a_handshake_given_up_leaves_no_socket",
            f"{CANCELLATION}::test_an_end_goes_on_if_the_task_that_waits_is_cancelled",
            f"{CANCELLATION}::test_a_servers_end_goes_on_if_the_task_that_waits_is_cancelled",
            f"{CANCELLATION}::test_a_server_may_be_cancelled_while_it_begins_to_listen",
            f"{CANCELLATION}::test_a_stream_reads_and_writes_on_after_a_cancellation",
            "tests/core/test_inbox.py::test_cancelling_loses_no_message",
            "tests/core/test_outbox.py::test_cancelling_a_wait_drops_no_frame",
            f"{CONNECTING}::TestFailing::test_cancelling_async_with_ends_the_handshake",
        ),
    ),
    Row(
        "Forks",
        "A child forked from a running server does not touch its parent's sockets, even if it serves connections "
        "itself",
        (
            "tests/faults/test_processes.py::test_a_forked_child_that_serves_does_not_disturb_its_parent",
            f"{ENDS}::test_a_fork_touches_no_socket_of_its_parent_and_draws_masks_of_its_own",
        ),
    ),
)
