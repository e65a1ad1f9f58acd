from dataclasses import replace

import pytest

from napari_centermask.io.formats import imagej_rois
from napari_centermask.io.rings_many import trace_all


@pytest.mark.parametrize("leading", [(), (2,), (2, 2)])
def test_rois_are_the_bytes_that_roifile_makes(result, leading):
    roifile = pytest.importorskip("roifile")
    for made in (result(leading, rough=False), result(leading)):
        made.set((0,) * len(leading), 500, replace(made.placed()[0][1], id=500, category=300, probabilities=()))
        pack = imagej_rois.Packer(roifile, made)
        for index, plane in made.planes.items():
            for cell, polygons in zip(plane, trace_all(list(plane)), strict=True):
                expected = imagej_rois.roi_of(roifile, made, index, cell, polygons).tobytes()
                assert pack(index, cell, polygons) == expected
