"""Counts in sentences agree with their nouns."""

import pytest

from napari_centermask.core.counted import counted, counted_category


@pytest.mark.parametrize(("n", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (12_345, "12,345 cells")])
def test_a_noun_is_plural_unless_there_is_one(n, text):
    assert counted(n, "cell") == text


def test_an_irregular_plural_is_given():
    assert [counted(n, "nucleus", "nuclei") for n in (1, 2)] == ["1 nucleus", "2 nuclei"]


@pytest.mark.parametrize(
    ("n", "category", "text"),
    [
        (34, "nucleus", "34 nuclei"),
        (1, "nucleus", "1 nucleus"),
        (2, "red nucleus", "2 red nuclei"),
        (2, "cells", "2 cells"),
        (1, "dead", "1 dead cell"),
        (1_200, "dead", "1,200 dead cells"),
        (3, "T3", "3 T3 cells"),
    ],
)
def test_cells_of_a_category_are_counted_in_words(n, category, text):
    assert counted_category(n, category) == text
