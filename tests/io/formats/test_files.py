"""Files and folders are read by what they hold."""

import io

import pytest

from napari_centermask.core.errors import UserError
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import read_files


@pytest.mark.parametrize("format", FORMATS)
def test_empty_missing_and_foreign_files_are_refused(format, tmp_path):
    path = tmp_path / ("x" + FORMATS[format].ending)
    with pytest.raises(UserError):
        FORMATS[format].read(path)
    path.write_bytes(b"")
    with pytest.raises(UserError):
        FORMATS[format].read(path)
    path.write_bytes(io.BytesIO(b"\x00\x01\x02" * 99).getvalue())
    with pytest.raises(UserError):
        FORMATS[format].read(path)
    with pytest.raises(UserError):
        read_files(tmp_path / "none", None)
