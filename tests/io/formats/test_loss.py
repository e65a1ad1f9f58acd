"""What a format loses is counted."""

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.compose import label_image
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.loss import flat_loss, only_shown

FLAT = [name for name, f in FORMATS.items() if not f.exact]


@pytest.mark.parametrize("leading", [(), (3,)], ids=str)
@pytest.mark.parametrize("format", FLAT, indirect=True)
def test_flat_formats_keep_the_top_most_cells_and_the_loss_is_counted(format, leading, tmp_path, result):
    before = result(leading)
    path = tmp_path / f"field{format.ending}"
    loss = format.loss([before])
    format.write(path, [before])
    (after,) = format.read(path).results
    kept = sum(c.area for c in after)
    shown = only_shown(before)
    assert loss.all_pixels == sum(c.area for c in shown)
    assert loss.pixels == loss.all_pixels - kept > 0
    assert len(after) == len(shown) - loss.gone
    assert loss.rejected == sum(c.status == "rejected" for c in before) > 0
    for index in before.planes:
        assert np.array_equal(label_image(after.plane(index)) > 0, label_image(before.visible(index)) > 0)


@pytest.mark.parametrize("format", FLAT, indirect=True)
def test_flat_formats_lose_nothing_where_no_cells_overlap(format, tmp_path, cells):
    before = Result((256, 256), name="field")
    for cell in cells(n=8, overlap=0):
        before.set((), cell.id, replace(cell, score=1.0, mask_quality=1.0, status="accepted", source=""))
    assert not flat_loss([before])
    path = tmp_path / f"field{format.ending}"
    format.write(path, [before])
    (after,) = format.read(path).results
    masks = [(c.box, c.mask.tobytes()) for c in after]
    assert masks == [(c.box, c.mask.tobytes()) for c in before]


def test_what_labels_have_no_place_for_is_counted_by_kind():
    result = Result((20, 20))
    result.categories = {1: "cell", 2: "dead"}
    mask = np.ones((3, 3), bool)
    result.set((), 1, Instance(1, 2, 2, mask, 1, 1.0, 1.0, "accepted"))
    result.set((), 2, Instance(2, 8, 8, mask, 2, 0.4, 1.0, "corrected", probabilities=(0.25, 0.75), track=4))
    result.set((), 3, Instance(3, 14, 14, mask, 2, 1.0, 0.5, "predicted"))
    result.set_reviewed((), [(0, 0, 5, 5)])
    loss = flat_loss([result])
    assert (loss.categories, loss.scores, loss.statuses, loss.probabilities, loss.regions) == (2, 2, 2, 1, 1)
    assert loss.text() == (
        "lost: the category of 2 cells, the score of 2 cells, the status of 2 cells, the probabilities of 1 cell, "
        "the track of 1 cell, 1 reviewed region."
    )


def test_a_cell_that_disappears_is_counted(cells):

    result = Result((20, 20))
    result.set((), 1, Instance(1, 5, 5, np.ones((3, 3), bool), order=0))
    result.set((), 2, Instance(2, 4, 4, np.ones((6, 6), bool), order=1))
    loss = flat_loss([result])
    assert (loss.cells, loss.changed, loss.gone, loss.pixels, loss.all_pixels) == (2, 0, 1, 9, 45)
    assert "1 disappear" in loss.text()


def test_a_source_is_lost_but_not_the_name_of_the_labels_that_cells_were_read_from():
    result = Result((20, 20))
    for id, source in enumerate(("", "nuclei 1.0", "field_labels.TIF"), start=1):
        result.set((), id, Instance(id, 6 * id - 4, 2, np.ones((3, 3), bool), source=source, status="accepted"))
    loss = flat_loss([result])
    assert loss.sources == 1
    assert loss.text() == "lost: the source of 1 cell."


@pytest.mark.parametrize("format", FLAT, indirect=True)
def test_ids_that_a_format_changes_are_counted(format, tmp_path):
    """Cellpose numbers cells from 1 on, without gaps."""
    before = Result((20, 20), name="field")
    for n, id in enumerate((1, 7, 70_000)):
        before.set((), id, Instance(id, 6 * n, 2, np.ones((3, 3), bool), status="accepted"))
    path = tmp_path / f"field{format.ending}"
    format.write(path, [before])
    (after,) = format.read(path).results
    loss = format.loss([before])
    assert loss.ids == sum(a.id != b.id for a, b in zip(after, before, strict=True))
    assert ("the id of 2 cells" in loss.text()) == (format.name == "cellpose")
