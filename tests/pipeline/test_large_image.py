"""An image on the disk has the cells that it has in memory, whatever stops the run in between."""

import json

import numpy as np
import pytest
from blobs import LARGE, SHAPE, options

from napari_centermask.core.errors import BadImage, BadSettings, CannotSave
from napari_centermask.core.instances import Instances
from napari_centermask.io.disk_images import on_disk
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.formats.ome_zarr import read
from napari_centermask.io.large_cells import STATE, LargePlaces
from napari_centermask.pipeline import planes_of, segment_planes
from napari_centermask.pipeline.large_image import segment_large
from napari_centermask.pipeline.segmentation import PlaneCells

pytest.importorskip("zarr")
pytest.importorskip("pyarrow")
COMMAND = {"image": "a", "settings": [1.5]}


def finish(steps, *, stop_after=None):
    """The value of a generator; None if it was closed after some steps."""
    for number in range(10**6):
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        if number == stop_after:
            steps.close()
            return None
    return None


def in_memory(image, engine, settings):
    """{plane: its cells}, with ids that go on from plane to plane."""
    found, last = {}, 0
    for step in segment_planes(planes_of(image), engine, settings):
        if isinstance(step, PlaneCells):
            cells = [(cell.id + last, cell) for cell in step.cells]
            found[step.plane.index], last = dict(cells), last + len(cells)
    return found


def assert_same(places, expected):
    (result,) = read(places.cells).results
    for index, cells in expected.items():
        there = {c.id: c for c in result.plane(index)}
        assert list(there) == list(cells)
        for id, cell in cells.items():
            got = there[id]
            assert (got.y0, got.x0, got.score, got.category, got.source) == (
                cell.y0, cell.x0, cell.score, cell.category, cell.source,
            )  # fmt: skip
            assert np.array_equal(got.mask, cell.mask)


@pytest.fixture
def field(fake):
    return on_disk(fake.draw(SHAPE, fake.place(SHAPE, 900, large=LARGE))[0], axes="YX", name="field")


@pytest.fixture
def places(tmp_path):
    return LargePlaces.named(tmp_path, "field")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_cells_on_the_disk_are_those_in_memory(fake, field, places, version):
    settings = options(tile=256)
    done = finish(segment_large(field, fake.engine(), settings, places, command=COMMAND, version=version))
    expected = in_memory(field, fake.engine(), settings)
    assert done.n_cells == len(expected[()]) > 300
    assert_same(places, expected)
    assert not (places.cells / STATE).exists()


def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_cells(fake, field, places):
    settings, rng = options(tile=256), np.random.default_rng(0)
    expected = in_memory(field, fake.engine(), settings)
    stops = 0
    while (
        done := finish(
            segment_large(field, fake.engine(), settings, places, command=COMMAND),
            stop_after=int(rng.integers(10, 18)),
        )
    ) is None:
        stops += 1
    assert stops >= 3
    assert done.n_cells == len(expected[()])
    assert_same(places, expected)


def test_a_stack_goes_on_in_its_plane(fake, places):
    planes = np.stack([fake.draw((600, 300), fake.place((600, 300), 60, seed=k))[0] for k in range(3)])
    planes[1] = 7
    image, settings = on_disk(planes, axes="ZYX"), options(tile=256)
    stops = 0
    while finish(segment_large(image, fake.engine(), settings, places, command=COMMAND), stop_after=9) is None:
        stops += 1
    assert stops
    assert_same(places, in_memory(image, fake.engine(), settings))


def test_another_command_begins_anew(fake, field, places):
    assert finish(segment_large(field, fake.engine(), options(), places, command=COMMAND), stop_after=3) is None
    assert places.state(COMMAND) is not None
    assert places.state({**COMMAND, "image": "b"}) is None
    done = finish(segment_large(field, fake.engine(), options(), places, command={"image": "b"}))
    assert_same(places, in_memory(field, fake.engine(), options()))
    assert done.n_cells > 0


def test_a_part_that_cannot_be_read_is_named_and_the_rest_is_kept(fake, field, places):
    class Damaged:
        shape, dtype = field.source.shape, field.source.dtype
        is_mended = False

        def __getitem__(self, index):
            if index[0].stop is not None and index[0].stop > 1200 and index[0].step is None and not self.is_mended:
                raise RuntimeError("Checksum error.")
            return field.source[index]

    image, settings = on_disk(Damaged(), axes="YX", name="field"), options(tile=256)
    with pytest.raises(BadImage, match=r"field cannot be read in rows \d+ to \d+.*Checksum error.*same command"):
        finish(segment_large(image, fake.engine(), settings, places, command=COMMAND))
    assert json.loads((places.cells / STATE).read_text())["row"]["row"] > 2
    image.source.is_mended = True
    engine = fake.engine()
    finish(segment_large(image, engine, settings, places, command=COMMAND))
    assert_same(places, in_memory(field, fake.engine(), settings))


def test_a_full_disk_says_what_to_do_and_nothing_is_lost(fake, field, places, monkeypatch):
    from napari_centermask.io.formats.cell_parts import CellParts

    write, calls = CellParts.write, []

    def full(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(self.folder))
        write(self, *arguments)

    monkeypatch.setattr(CellParts, "write", full)
    with pytest.raises(CannotSave, match=r"Make room on the disk.*same run again"):
        finish(segment_large(field, fake.engine(), options(tile=256), places, command=COMMAND))
    finish(segment_large(field, fake.engine(), options(tile=256), places, command=COMMAND))
    assert_same(places, in_memory(field, fake.engine(), options(tile=256)))


def test_several_looks_are_refused(fake, field, places):
    with pytest.raises(BadSettings, match="'scales' has no effect"):
        finish(segment_large(field, fake.engine(), options(scales=[1, 2]), places, command=COMMAND))


def test_a_part_of_the_image_has_its_cells_whole(fake, field, places):
    finish(segment_large(field, fake.engine(), options(tile=256), places, command=COMMAND))
    cells = CellsOnDisk.open(places.cells)
    everything = in_memory(field, fake.engine(), options(tile=256))[()]
    box = (400, 500, 700, 800)
    found = cells.cells(box)
    whole = Instances(SHAPE, everything.values())
    assert [c.id for c in found] == sorted(c.id for c in whole.meeting(box))
    assert all(np.array_equal(c.mask, everything[c.id].mask) for c in found)
    assert (cells.shape, cells.categories) == (SHAPE, {1: "cell"})
