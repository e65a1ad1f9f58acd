import json
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import to_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord


def test_a_file_is_what_json_makes_of_its_records_to_the_byte(tmp_path, cells):
    given = list(cells(n=12, overlap=0.4, seed=3))
    given[0] = replace(given[0], score=np.float32(0.3), source='a "b"\\\n\u20ac', status="rejected", order=-1e20)
    given[1] = replace(given[1], probabilities=(0.25, 0.75), mask_quality=1, category=3)
    given[2] = replace(given[2], track=7, parent=3)
    instances = Instances((256, 256), given, categories={1: "cell", 3: "\u03b2"})
    empty = Instances((7, 9))
    records = [
        ImageRecord(4, "a.png", None, (256, 256), instances, {"pixel_size_um": 0.5}, plane=(1,), leading=(3,)),
        ImageRecord(5, "b.png", None, (7, 9), empty),
        ImageRecord(6, "c.png", None, (256, 256), instances),
    ]
    write_coco(tmp_path / "c.json", iter(records))
    assert (tmp_path / "c.json").read_text("ascii") == json.dumps(to_coco(records))
    write_coco(tmp_path / "none.json", [])
    assert (tmp_path / "none.json").read_text("ascii") == json.dumps(to_coco([]))


@pytest.mark.parametrize("change", [{"score": np.nan}, {"order": np.inf}, {"probabilities": (np.nan,)}])
def test_numbers_that_json_does_not_know_are_refused(tmp_path, cells, change):
    given = list(cells(n=2, overlap=0))
    instances = Instances((256, 256), [given[0], replace(given[1], **change)])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_coco(tmp_path / "c.json", [ImageRecord(1, "a.png", None, (256, 256), instances)])
    assert not list(tmp_path.iterdir())


def test_how_many_cells_are_written_is_told(tmp_path, cells):
    told = []
    records = [ImageRecord(n, f"{n}.png", None, (256, 256), cells(n=5, overlap=0, seed=n)) for n in (1, 2)]
    write_coco(tmp_path / "c.json", records, advance=lambda *progress: told.append(progress))
    assert told[-1] == (10, 10)
