"""Names that no disk can hold give one message, whatever is done with them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import UserError
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.export import export
from napari_centermask.io.files import check_path
from napari_centermask.io.project import Project

BAD = {"a name": "x" * 300, "a path": "/tmp/" + "/".join(["z" * 200] * 30), "nul": "a\0b", "device": "/dev/null"}


@pytest.fixture
def project(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8))
    with Project.open(tmp_path) as project:
        project.history(1).do("new cell", [Change((), 1, None, Instance(1, 3, 3, np.ones((5, 5), bool)))])
        yield project


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_bad_names_are_refused_by_every_entry(project, name):
    for act in (check_path, Project.open, lambda path: export(project, path)):
        with pytest.raises(UserError, match="Choose"):
            act(Path(name))


def test_names_that_can_be_are_left_alone(tmp_path):
    for path in (tmp_path, tmp_path / ("y" * 255), Path("relative/name"), Path("ä" * 127)):
        assert check_path(path) == path
