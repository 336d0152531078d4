"""Calls in a context that may be entered already."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context

import pytest

from wsrs._backend.context import is_current, run_in, to_enter

VALUE: ContextVar[str] = ContextVar("VALUE", default="unset")


@pytest.fixture
def context() -> Context:
    made = copy_context()
    made.run(VALUE.set, "its own")
    return made


class TestRunIn:
    def test_the_call_is_in_the_context(self, context: Context) -> None:
        assert run_in(context, VALUE.get) == "its own"
        run_in(context, VALUE.set, "set")
        assert (context[VALUE], VALUE.get()) == ("set", "unset")

    def test_within_a_call_in_it(self, context: Context) -> None:
        context.run(run_in, context, VALUE.set, "set")
        assert context[VALUE] == "set"

    def test_within_another_context_that_was_entered_from_it(self, context: Context) -> None:
        seen = []

        def inner() -> None:
            seen.append(run_in(context, VALUE.get))
            run_in(context, VALUE.set, "lost")

        context.run(Context().run, inner)
        assert seen == ["its own"]
        assert context[VALUE] == "its own"

    def test_what_the_function_raises_is_raised(self, context: Context) -> None:
        calls = []

        def fails() -> None:
            calls.append(VALUE.get())
            raise RuntimeError("its own fault")

        with pytest.raises(RuntimeError, match="its own fault"):
            run_in(context, fails)
        with pytest.raises(RuntimeError, match="its own fault"):
            context.run(run_in, context, fails)
        assert calls == ["its own", "its own"]


class TestIsCurrent:
    def test_a_copy_is_another_context(self, context: Context) -> None:
        assert not is_current(context)
        assert context.run(is_current, context)
        assert not context.copy().run(is_current, context)

    def test_it_leaves_nothing_behind(self, context: Context) -> None:
        before = len(context)
        context.run(is_current, context)
        is_current(context)
        assert len(context) == before


def test_a_copy_is_entered_for_one_that_is_entered_further_up(context: Context) -> None:
    copy = context.run(Context().run, to_enter, context)
    assert copy is not None
    assert copy.run(VALUE.get) == "its own"
    assert context.run(to_enter, context) is None
