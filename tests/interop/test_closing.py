"""Close codes and reasons between wsrs and each peer, with a close begun by either side."""

from __future__ import annotations

import pytest

import wsrs

from ..peers import within
from .conftest import Join, pairs

everyone = pytest.mark.parametrize("chosen", pairs(), indirect=True)
endings = pytest.mark.parametrize(
    ("code", "reason"), [(1000, "done"), (3000, ""), (4999, "grüße 🎈")], ids=["1000", "no reason", "4999"]
)


@everyone
@endings
async def test_the_peer_gets_our_code_and_reason(join: Join, code: int, reason: str) -> None:
    link = await join()
    link.ours.close(code, reason)
    heard = await within(link.theirs.closed())
    assert heard[0] == code
    assert heard[1] == reason
    with pytest.raises(wsrs.ConnectionClosed) as caught:
        await within(link.ours.recv())
    answer = (code, reason) if link.echoes else (1000, "")
    assert (caught.value.close_code, caught.value.reason) == answer


@everyone
@endings
async def test_we_get_the_peers_code_and_reason(join: Join, code: int, reason: str) -> None:
    link = await join()
    await within(link.theirs.close(code, reason))
    with pytest.raises(wsrs.ConnectionClosed) as caught:
        await within(link.ours.recv())
    assert (caught.value.close_code, caught.value.reason) == (code, reason)
    heard = await within(link.theirs.closed())
    assert heard[0] in (code, None)  # aiohttp does not tell the reason in the answer to its own close
    assert heard[1] in (reason, None)


@everyone
async def test_messages_sent_before_the_close_still_arrive(join: Join) -> None:
    link = await join()
    await link.ours.send("last words")
    link.ours.close(1000)
    assert await within(link.theirs.recv()) == "last words"
    assert (await within(link.theirs.closed()))[0] == 1000
    await within(link.ours.wait_closed())


@everyone
async def test_a_connection_that_is_cut_is_1006(join: Join) -> None:
    link = await join()
    link.ours.terminate()
    assert (await within(link.theirs.closed()))[0] == 1006
