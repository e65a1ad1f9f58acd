"""Which changes to models can be taken back, without Qt and without models."""

import pytest

from napari_centermask.models.store.registry import Deleted
from napari_centermask.widgets.models import changes
from napari_centermask.widgets.models.changes import History


@pytest.fixture
def registry(monkeypatch):
    """What would be done to models on disk, in words."""
    done = []

    class Registry:
        def __getattr__(self, name):
            return lambda *args, **kwargs: done.append((name, *args, *kwargs.values()))

    monkeypatch.setattr(changes, "registry", Registry())
    return done


def test_each_change_has_its_way_back(registry):
    old = Deleted(5, "mine")
    for change in (
        changes.rename("a", "b"),
        changes.archive("a"),
        changes.bring_back("a", None),
        changes.bring_back("mine", old),
    ):
        change.act()
        change.back()
    assert registry == [
        ("rename_model", "a", "b"),
        ("rename_model", "b", "a"),
        ("archive_model", "a"),
        ("restore_archived", "a"),
        ("restore_archived", "a"),
        ("archive_model", "a"),
        ("restore_deleted", old),
        ("delete_model", "mine", 5),
    ]
    assert changes.delete_for_good(old).back is None


@pytest.mark.parametrize(("outcome", "left"), [("done", ""), ("failed", "Renamed 'a' to 'b'."), ("gone", "")])
def test_an_undo_that_failed_can_be_tried_again_unless_what_it_needs_is_gone(registry, outcome, left):
    history = History()
    history.begin(changes.rename("a", "b"))
    history.end("done")
    assert history.last == "Renamed 'a' to 'b'."
    assert history.begin_undo().text == "Undone: Renamed 'a' to 'b'."
    history.end(outcome)
    assert history.last == left


def test_what_failed_or_cannot_be_taken_back_is_not_in_the_history(registry):
    history = History()
    for change, outcome in ((changes.archive("a"), "failed"), (changes.delete_for_good(Deleted(5, "a")), "done")):
        history.begin(change)
        history.end(outcome)
    assert history.last == ""
