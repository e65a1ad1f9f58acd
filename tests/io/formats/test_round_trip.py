import pytest

from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS

EXACT = [name for name, f in FORMATS.items() if f.exact]


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (1,)], ids=str)
@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_exact_formats_give_back_every_pixel_and_every_value(format, leading, tmp_path, result, same):
    before = result(leading)
    path = tmp_path / f"x{format.ending}"
    format.write(path, [before])
    (after,) = format.read(path).results
    assert same(before, after)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_an_image_without_cells_comes_back(format, tmp_path, same):
    before = Result((7, 9), name="empty.png")
    format.write(tmp_path / f"x{format.ending}", [before])
    (after,) = format.read(tmp_path / f"x{format.ending}").results
    assert (len(after), after.shape, after.name) == (0, (7, 9), "empty.png")


@pytest.mark.parametrize("format", FORMATS, indirect=True)
def test_a_failed_write_keeps_what_was_there(format, tmp_path, result, monkeypatch):
    path = tmp_path / f"x{format.ending}"
    path.write_text("old")
    broken = result()
    monkeypatch.setattr(Result, "plane", lambda *a: 1 / 0)
    monkeypatch.setattr(Result, "planes", property(lambda self: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        format.write(path, [broken])
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_real_overlapping_cells_survive_all_exact_formats(format, tmp_path, shared, same):
    from napari_centermask.io.coco.document import read_coco
    from napari_centermask.io.coco.records import result_of

    source = shared / "data" / "dsb_overlap_composite" / "annotations_val.json"
    for record in read_coco(source)[:3]:
        before = result_of([record])
        path = tmp_path / f"{record.id}{format.ending}"
        format.write(path, [before])
        (after,) = format.read(path).results
        masks = [(c.id, c.box, c.mask.tobytes()) for c in after]
        assert masks == [(c.id, c.box, c.mask.tobytes()) for c in before]
