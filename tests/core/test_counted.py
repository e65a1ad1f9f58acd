"""Counts in sentences agree with their nouns."""

import pytest

from napari_centermask.core.counted import counted


@pytest.mark.parametrize(("n", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (12_345, "12,345 cells")])
def test_a_noun_is_plural_unless_there_is_one(n, text):
    assert counted(n, "cell") == text


def test_an_irregular_plural_is_given():
    assert [counted(n, "nucleus", "nuclei") for n in (1, 2)] == ["1 nucleus", "2 nuclei"]
