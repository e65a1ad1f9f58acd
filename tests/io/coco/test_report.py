"""An import says what came in, what was repaired and what was left out."""

from napari_centermask.io.coco.report import ImportReport


def test_equal_things_are_counted_with_their_first_places():
    report = ImportReport("a.json", images=1, cells=2)
    assert report.is_clean
    for number in range(7):
        report.refuse("nothing is drawn", f"annotation {number}\n")
    report.repair("a box stands for the cell")
    assert not report.is_clean
    assert report.n_refused == 7
    lines = str(report).splitlines()
    assert lines[0] == "a.json: 1 image and 2 cells imported."
    assert lines[1].endswith("drawn: 7 (annotation 0, annotation 1, annotation 2, annotation 3, annotation 4, ...)")
    assert lines[2] == "Repaired: a box stands for the cell: 1"
    assert report.to_json()["refused"]["nothing is drawn"]["count"] == 7
