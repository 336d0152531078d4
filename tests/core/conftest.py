"""The core under test: the one that `WSRS_TEST_BACKEND` names ("pure" or "core"), by default the active one."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wsrs

from .harness import Side


def backend_name() -> str:
    """The module of `wsrs` that these tests run on."""
    return f"_{os.environ.get('WSRS_TEST_BACKEND') or wsrs.backend}"


@pytest.fixture(scope="session")
def core() -> Any:
    """The core under test, a `wsrs._backend.contract.Backend`."""
    return importlib.import_module(f"wsrs.{backend_name()}")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that the test runs by hand, tick by tick."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def no_time_slice(core: Any) -> Iterator[None]:
    """No bound on the time for which a test keeps its loop: what arrives is delivered at once."""
    core.set_time_slice(0)
    yield
    core.set_time_slice(0.005)


MakeSide = Callable[..., Side]


@pytest.fixture
def side(core: Any, loop: asyncio.AbstractEventLoop) -> MakeSide:
    """Makes one side of a connection on an in-memory transport: `side(is_server=True, ...)`."""

    def make(is_server: bool = True, *, start: bool = True, **options: Any) -> Side:
        return Side(core, loop, is_server, start=start, **options)

    return make
