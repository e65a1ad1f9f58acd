"""What the models dock leaves to processes of their own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event

import pytest
from installed_models import choose


def test_two_models_are_compared_in_a_separate_process(dock, done, tmp_path, monkeypatch):
    from napari_centermask.widgets.models import tasks

    seen = []

    def child(arguments):
        seen.append(arguments)
        yield None
        out = Path(arguments[arguments.index("--json") + 1])
        verdict = {"recommended": True, "difference": 0.1, "interval": [0.0, 0.2], "luck": 0.01, "unit": "images"}
        values = {"old": {"f1": 0.5}, "new": {"f1": 0.6}, "per_image": [{"name": "a", "n_truth": 1}]}
        out.write_text(json.dumps(values | {"verdict": verdict | {"sentence": "Better."}}))
        return ""

    monkeypatch.setattr(tasks, "run_child", child)
    choose(dock, "second")
    assert not dock.comparing.start.isEnabled()
    (tmp_path / "data").mkdir()
    dock.add_data(tmp_path / "data")
    dock.comparing.other.setCurrentText("first")
    dock.comparing.start.click()
    done()
    assert seen[0][:5] == ["compare", "first", "second", "--data", str(tmp_path / "data")]
    assert dock.comparing.result.verdict.text() == "Better."
    assert dock.comparing.result.isVisible()


def test_a_comparison_is_cancelled_by_the_button_that_began_it(dock, done, tmp_path, monkeypatch):
    from napari_centermask.widgets.models import tasks

    begun, ended = Event(), Event()

    def child(arguments):
        try:
            while True:
                begun.set()
                yield None
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(tasks, "run_child", child)
    choose(dock, "second")
    (tmp_path / "data").mkdir()
    dock.add_data(tmp_path / "data")
    dock.comparing.start.click()
    assert dock.comparing.start.text() == "Cancel"
    assert begun.wait(20)
    dock.comparing.start.click()
    done()
    assert ended.wait(20)
    assert dock.comparing.status.text() == "Cancelled."
    assert (dock.comparing.start.text(), dock.comparing.start.isEnabled()) == ("Compare", True)


def test_a_child_that_fails_is_explained_by_its_last_words():
    from napari_centermask.jobs.child import ChildFailed, run_child

    with pytest.raises(ChildFailed, match="Choose an installed model"):
        list(run_child(["models", "info", "no-such-model"]))
