"""ROIs as ImageJ writes and reads them."""

import zipfile

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS


def test_imagej_reads_our_rois_by_roifile_alone(tmp_path, cells):
    roifile = pytest.importorskip("roifile")
    before = Result((256, 256), name="x.png")
    before.put((), cells(n=3, overlap=0))
    FORMATS["imagej"].write(tmp_path / "x.zip", [before])
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith(".roi")]
        rois = [roifile.ImagejRoi.frombytes(archive.read(n)) for n in names]
    assert [r.roitype for r in rois] == [roifile.ROI_TYPE.TRACED] * 3
    for roi, cell in zip(rois, before, strict=True):
        assert (roi.top, roi.left, roi.bottom, roi.right) == cell.box
        x, y = roi.coordinates().T
        assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 == cell.area


def test_categories_survive_where_imagej_saves_the_rois_again(tmp_path, result):
    pytest.importorskip("roifile")
    before = result(())
    FORMATS["imagej"].write(tmp_path / "ours.zip", [before])
    with zipfile.ZipFile(tmp_path / "ours.zip") as ours, zipfile.ZipFile(tmp_path / "again.zip", "w") as again:
        for name in ours.namelist():
            if name.endswith(".roi"):  # ImageJ leaves our own entry out
                again.writestr(name, ours.read(name))
    (after,) = FORMATS["imagej"].read(tmp_path / "again.zip").results
    named = [sorted(r.categories[c.category] for c in r) for r in (before, after)]
    assert named[0] == named[1]
    assert len(set(named[0])) > 1


def test_composites_have_the_area_of_the_cell_for_other_readers(tmp_path, result):
    roifile = pytest.importorskip("roifile")
    import zipfile

    before = result()
    FORMATS["imagej"].write(tmp_path / "x.zip", [before])
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        rois = {n: roifile.ImagejRoi.frombytes(archive.read(n)) for n in archive.namelist() if n.endswith(".roi")}
    for name, roi in rois.items():
        rings = roi.coordinates(multi=True)
        assert roi.composite
        assert len(rings) > 1
        signed = sum(np.dot(r[:, 0], np.roll(r[:, 1], -1)) - np.dot(np.roll(r[:, 0], -1), r[:, 1]) for r in rings) / 2
        assert signed == before.get((), int(name.removesuffix(".roi"))).area


def test_shapes_that_people_draw_in_imagej_are_read(tmp_path):
    roifile = pytest.importorskip("roifile")
    import zipfile

    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, top=10, left=20, bottom=30, right=60)
    box = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=2, bottom=4, right=8)
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x1=1, y1=1, x2=5, y2=5)
    free = roifile.ImagejRoi.frompoints([[2.5, 2.5], [12.5, 2.5], [12.5, 8.5], [2.5, 8.5]])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for n, roi in enumerate((oval, box, line, free)):
            archive.writestr(f"{n}.roi", roi.tobytes())
    reading = FORMATS["imagej"].read(tmp_path / "x.zip")
    (result,) = reading.results
    areas = [c.area for c in result]
    assert areas[1:] == [18, 60]
    assert areas[0] == pytest.approx(np.pi * 10 * 20, rel=0.02)
    assert any("1 ROI without an area" in n for n in reading.notes)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips_of_any_kind_are_read_and_damaged_ones_refused(tmp_path, result, same, method):
    FORMATS["imagej"].write(tmp_path / "a.zip", [made := result()])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, zipfile.ZipFile(tmp_path / "b.zip", "w", method) as other:
        assert archive.testzip() is None
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    assert same(FORMATS["imagej"].read(tmp_path / "b.zip").results[0], made)
    data = bytearray((tmp_path / "b.zip").read_bytes())
    data[data.index(b".roi") + 40] ^= 255
    (tmp_path / "c.zip").write_bytes(data)
    with pytest.raises(BadAnnotations, match=r"c\.zip cannot be read as ImageJ ROIs"):
        FORMATS["imagej"].read(tmp_path / "c.zip")
