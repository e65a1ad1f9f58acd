"""What a job reports is read whatever version wrote it, and written so that older ones read it."""

import io
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_centermask import events
from napari_centermask.events import (
    DoneEvent,
    EvaluationEvent,
    FailedEvent,
    InstalledEvent,
    NoticeEvent,
    StepEvent,
    parse,
    write,
)

FIRST_VERSION = Path(__file__).parent / "events_v0.1.jsonl"
"""Three runs as the version wrote them that had no classes for events."""


def written(event) -> str:
    stream = io.StringIO()
    write(event, stream)
    return stream.getvalue()


def test_a_file_of_the_first_version_is_read_and_written_again_the_same():
    lines = FIRST_VERSION.read_text().splitlines()
    read = [parse(line) for line in lines]
    assert [json.loads(written(event)) for event in read] == [json.loads(line) for line in lines]
    assert not any(event.model_extra for event in read)


def test_events_of_the_first_version_have_the_same_attributes():
    read = [parse(line) for line in FIRST_VERSION.read_text().splitlines()]
    step = next(e for e in read if isinstance(e, StepEvent))
    assert (step.step, step.part, step.memory_mb) == (2, 1.0, 881.8)
    assert set(step.losses) == {f"loss_{name}" for name in ("fcos_cls", "fcos_loc", "fcos_ctr", "mask", "maskiou")}
    assert step.gradient_norm > 100
    evaluation = next(e for e in read if isinstance(e, EvaluationEvent))
    assert evaluation.samples[0].image == "data/0.png"
    assert next(e for e in read if isinstance(e, FailedEvent)).message.startswith("Expected annotations")
    assert next(e for e in read if isinstance(e, InstalledEvent)).name == "mine"
    assert len(next(e for e in read if isinstance(e, NoticeEvent)).rates) == 3


def test_losses_stand_beside_the_other_fields_of_a_line():
    line = json.loads(written(StepEvent(step=3, losses={"loss_mask": 0.5, "loss": 1.5})))
    assert line.keys() == {"event", "time", "step", "loss_mask", "loss"}
    assert parse(json.dumps(line)).losses == {"loss_mask": 0.5, "loss": 1.5}


def test_a_line_holds_what_was_given_and_no_more():
    assert json.loads(written(DoneEvent(time=1, model=None))) == {"event": "done", "time": 1, "model": None}


def test_a_line_of_a_later_version_keeps_what_is_not_known_here():
    event = parse('{"event": "done", "time": 1, "step": 4, "mood": {"good": true}}')
    assert event.step == 4
    assert json.loads(written(event))["mood"] == {"good": True}


@pytest.mark.parametrize("wrong", [{"seconds_left": "soon"}, {"part": []}, {"losses": 3}, {"loss_mask": "low"}])
def test_a_field_of_the_wrong_type_costs_only_itself(wrong):
    event = parse(json.dumps({"event": "step", "time": 1, "step": 7} | wrong))
    assert event == StepEvent(time=1, step=7)


@pytest.mark.parametrize(
    "line", ["", "noise", "3", "[]", "{}", '{"event": 1}', '{"event": "unknown"}', b"\xff", "[" * 10**5]
)
def test_what_a_library_prints_is_not_an_event(line):
    assert parse(line) is None


def test_a_wrong_value_and_a_number_that_is_not_finite_are_refused_where_they_are_made():
    with pytest.raises(ValidationError):
        StepEvent(step="soon")
    with pytest.raises(ValueError, match="not JSON compliant"):
        written(StepEvent(step=1, losses={"loss": float("nan")}))


def test_every_kind_has_its_class():
    kinds = [kind.model_fields["event"].default for kind in events.Event.__args__]
    assert len(set(kinds)) == len(kinds)
    assert [parse(json.dumps({"event": kind})).event for kind in kinds] == kinds
