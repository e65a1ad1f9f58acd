"""Planes of an image share a diameter, and one that cannot be used ends no run."""

import numpy as np
import pytest

from napari_centermask.core.errors import BadImage
from napari_centermask.pipeline import (
    Plane,
    PlaneCells,
    diameter_steps,
    segment_planes,
)
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings


def stack_of(fake, *radii, shape=(300, 320)):
    """A plane of 30 discs for each radius; a constant one for 0."""
    return [
        Plane((k,), fake.draw(shape, fake.place(shape, 30, radii=(r, r + 0.1)) if r else []).astype(np.float32))
        for k, r in enumerate(radii)
    ]


def done(steps):
    return [step for step in steps if isinstance(step, PlaneCells)]


AUTO = SegmentSettings(percentiles=(0, 100))


def test_all_planes_of_an_image_have_the_median_diameter_of_five(fake):
    planes = stack_of(fake, 40, 10, 12, 14, 16, 18, 40, 40, 40, 40)  # the odd ones are measured: 10, 14, 18, 40, 40
    segmented = done(segment_planes(planes, fake.engine(), AUTO))
    assert [d.plane.index for d in segmented] == [(k,) for k in range(10)]
    assert {d.diameter for d in segmented} == {segmented[0].diameter}
    assert segmented[0].diameter == pytest.approx(36, rel=0.1)
    assert run_through(diameter_steps(planes, fake.engine(), AUTO)) == segmented[0].diameter


def test_some_planes_have_the_diameter_of_the_whole_image(fake):
    planes = stack_of(fake, 10, 20, 40)
    every = {d.plane.index: d for d in done(segment_planes(planes, fake.engine(), AUTO))}
    (some,) = done(segment_planes(planes, fake.engine(), AUTO, only={(2,)}))
    assert some.diameter == every[2,].diameter == pytest.approx(40, rel=0.1)
    assert some.cells.equals(every[2,].cells)


def test_other_planes_are_measured_in_place_of_blank_ones(fake):
    planes = stack_of(fake, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0)
    segmented = done(segment_planes(planes, fake.engine(), AUTO))
    assert segmented[8].diameter == pytest.approx(44, rel=0.1)
    assert [len(d.cells) > 0 for d in segmented] == [k == 8 for k in range(12)]


@pytest.mark.parametrize("fault", ["constant", "NaN", "all NaN", "infinite"])
def test_a_plane_that_cannot_be_used_has_no_cells_and_says_why(fake, fault):
    planes = stack_of(fake, 20, 20, 20)
    pixels = {"constant": np.full_like(planes[1].pixels, 7), "all NaN": np.full_like(planes[1].pixels, np.nan)}
    bad = pixels.get(fault, planes[1].pixels.copy())
    if fault in ("NaN", "infinite"):
        bad[0, 3, 4] = {"NaN": np.nan, "infinite": np.inf}[fault]
    for number in range(3):
        several = [Plane((k,), bad if k == number else p.pixels) for k, p in enumerate(planes)]
        segmented = done(segment_planes(several, fake.engine(), AUTO))
        assert [bool(d.problem) for d in segmented] == [k == number for k in range(3)]
        assert [len(d.cells) > 0 for d in segmented] == [k != number for k in range(3)]
        assert segmented[number].cells.shape == planes[0].shape
        assert "contrast" in segmented[number].problem or "NaN" in segmented[number].problem


def test_where_no_plane_can_be_used_the_fault_is_raised_before_any_plane_is_done(fake):
    steps = segment_planes(stack_of(fake, 0, 0), fake.engine(), AUTO)
    with pytest.raises(BadImage, match="contrast"):
        assert not done(steps)


def test_a_fault_of_the_whole_image_is_raised_at_once(fake):
    planes = [Plane((k,), np.zeros((5, 64, 64))) for k in range(3)]
    with pytest.raises(BadImage, match="5"):
        list(segment_planes(planes, fake.engine(), AUTO))


def test_every_plane_is_opened_once_in_a_run(fake, monkeypatch):
    opened = []
    original = ModelInput.of.__func__

    def of(cls, image, *arguments):
        opened.append(id(image))
        return original(cls, image, *arguments)

    monkeypatch.setattr(ModelInput, "of", classmethod(of))
    planes = stack_of(fake, 0, 20, 20, 0, 20, 20, 20)
    list(segment_planes(planes, fake.engine(), AUTO))
    assert sorted(opened) == sorted(id(p.pixels) for p in planes)
