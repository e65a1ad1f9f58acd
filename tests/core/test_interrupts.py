"""A first interrupt waits for what is held, a second one and all others come at once."""

import signal

import pytest

from napari_centermask.core.interrupts import HeldInterrupts

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_an_interrupt_comes_when_what_is_held_is_whole(number):
    before, done = signal.getsignal(number), []

    def work():
        with HeldInterrupts() as interrupts:
            with interrupts.held():
                signal.raise_signal(number)
                done.append("whole")
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]
    assert signal.getsignal(number) is before


@BOTH
def test_elsewhere_it_comes_at_once(number):
    with HeldInterrupts() as interrupts:
        with interrupts.held():
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_a_second_one_comes_at_once():
    done = []

    def work():
        with HeldInterrupts() as interrupts, interrupts.held():
            signal.raise_signal(signal.SIGINT)
            done.append("first")
            signal.raise_signal(signal.SIGINT)
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


def fail(interrupts, *, after=None):
    with interrupts.held():
        if after is not None:
            signal.raise_signal(after)
        raise RuntimeError("Connection closed by peer")


def test_an_error_of_what_is_held_is_an_interrupt_only_if_one_came():
    with HeldInterrupts() as interrupts:
        with pytest.raises(RuntimeError):
            fail(interrupts)
        with pytest.raises(KeyboardInterrupt):
            fail(interrupts, after=signal.SIGTERM)
