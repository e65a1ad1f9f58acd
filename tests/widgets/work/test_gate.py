"""The gate that every slot goes through: a mistake becomes a message, any other error passes."""

import pytest

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.work.gate import attempt, guarded


def test_a_mistake_becomes_a_message_and_a_fault_passes(notices):
    def fail(error):
        raise error

    assert attempt(len, "done")
    assert not attempt(fail, UserError("The disk is full."))
    assert notices() == ["The disk is full."]
    with pytest.raises(ZeroDivisionError):
        attempt(fail, ZeroDivisionError())


def test_a_slot_gets_no_more_arguments_than_it_takes():
    heard = []
    guarded(lambda: heard.append("none"))(1, 2)
    guarded(lambda first: heard.append(first))(1, 2)
    guarded(lambda *all: heard.append(all))(1, 2)
    assert heard == ["none", 1, (1, 2)]
