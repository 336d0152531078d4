"""uvicorn's own tests that cannot pass, each with the private detail of uvicorn's protocols that it asks for.

A test that is listed and passes is an error, and so is a name that uvicorn's tests no longer have.
"""

from __future__ import annotations

MAY_FAIL = {
    "test_invalid_upgrade": (
        "the text of the 400 must be that of one of uvicorn's own classes: ours is the text of ws"
    ),
    "test_server_keepalive_ping_pong": (
        "asks for an instance of one of uvicorn's own classes, and for its attribute `ping_sent_at`"
    ),
    "test_server_keepalive_disabled": (
        "asks for an instance of one of uvicorn's own classes, and for its attributes of the timers"
    ),
    "test_close_resumes_reads_paused_on_an_unconsumed_message": (
        "reading must pause after a single message: ours reads on until 64 KiB or 1,024 messages wait"
    ),
    "test_close_gives_up_when_the_peer_never_replies": (
        "sets the attribute `close_timeout` of the protocol: with ours it is an option of `protocol`"
    ),
}
