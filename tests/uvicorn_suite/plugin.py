"""A plugin for pytest that runs uvicorn's own tests with our protocol: those that take a WebSocket class.

pytest loads it by `-p plugin`, in uvicorn's source distribution; uvicorn's package `tests` hides ours there.
"""

from __future__ import annotations

import pytest
from may_fail import MAY_FAIL  # type: ignore[import-not-found]  # beside this file, not in a package

import wsrs
from wsrs.uvicorn import WSProtocol

IMPLEMENTATIONS = {"h11", "httptools", "zttp"}
"""uvicorn's HTTP protocols. All must be tested."""


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ws_protocol_cls" in metafunc.fixturenames:
        metafunc.parametrize("ws_protocol_cls", [WSProtocol], ids=["wsrs"])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if "ws_protocol_cls" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours
    names = {getattr(item, "originalname", item.name) for item in ours}
    if gone := MAY_FAIL.keys() - names:
        raise pytest.UsageError(f"may_fail.py names tests that do not exist: {sorted(gone)}")
    ids = " ".join(item.name for item in ours)
    if missing := [each for each in IMPLEMENTATIONS if each not in ids]:
        raise pytest.UsageError(f"no tests run with {missing}")
    for item in ours:
        reason = MAY_FAIL.get(getattr(item, "originalname", item.name))
        if reason is not None:
            # Strict: a test that passes is taken off the list.
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"wsrs {wsrs.__version__}, backend {wsrs.backend}")
