import io
import zipfile

import pytest

from napari_centermask.io.zip_writer import ZipWriter


@pytest.mark.parametrize("n", [0, 1, 65_534, 65_535, 70_000])
def test_zipfile_reads_every_entry(n):
    stream = io.BytesIO()
    with ZipWriter(stream) as archive:
        for k in range(n):
            archive.add(f"{k:06d}.roi", b"cell" * 20 + k.to_bytes(4, "big"))
    with zipfile.ZipFile(stream) as archive:
        assert archive.namelist() == [f"{k:06d}.roi" for k in range(n)]
        for k in {0, n // 2, n - 1} if n else ():
            assert archive.read(f"{k:06d}.roi") == b"cell" * 20 + k.to_bytes(4, "big")


def test_empty_and_large_entries_are_whole():
    stream = io.BytesIO()
    large = bytes(range(256)) * 9000
    with ZipWriter(stream) as archive:
        archive.add("empty", b"")
        archive.add("large", large)
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
        assert archive.read("empty") == b""
        assert archive.read("large") == large


def test_after_an_error_there_is_no_directory():
    stream = io.BytesIO()
    archive = ZipWriter(stream)
    archive.add("a", b"b")
    with pytest.raises(UnicodeEncodeError), archive:
        archive.add("\xe4", b"b")
    assert not zipfile.is_zipfile(stream)
