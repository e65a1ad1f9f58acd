"""The advised machine has room for a step, and a job has an end."""

import pytest

from napari_centermask.cloud.sizes import SIZES, advise, estimate
from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrainSettings


def run(**values):
    return TrainSettings(data=["d"], out="o", **values)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"steps": 300, "batch": 4}, "Standard_F16s_v2"),
        ({"steps": 20_000, "batch": 8}, "Standard_NC4as_T4_v3"),
        ({"steps": 20_000, "batch": 8, "tile": 512}, "Standard_NC24ads_A100_v4"),
        ({"steps": 100_000, "batch": 8}, "Standard_NC24ads_A100_v4"),
    ],
)
def test_the_size_has_room_for_a_step_and_a_reason(values, name):
    advice = advise(run(**values))
    assert advice.size.name == name
    assert f"{values['steps']:,} steps" in advice.reason


def test_a_step_that_fits_no_gpu_is_for_several_processes():
    advice = advise(run(batch=200, tile=512))
    assert advice.size == SIZES[-1]
    assert "several processes" in advice.reason


def test_node_hours_are_those_after_which_the_job_is_ended():
    limit = estimate(run(minutes=60), nodes=2)
    assert (limit.hours, limit.node_hours, limit.expected_hours) == (2.5, 5.0, 1.5)
    assert "5 node-hours" in limit.summary
    assert estimate(run(), nodes=1).hours == 24
    assert "not known" in estimate(run(), nodes=1, hours=3).summary


def test_a_limit_below_that_of_the_run_is_refused():
    with pytest.raises(BadSettings, match="Raise --hours"):
        estimate(run(minutes=120), nodes=1, hours=1)
    with pytest.raises(BadSettings, match="at least 1 machine"):
        estimate(run(), nodes=0)
