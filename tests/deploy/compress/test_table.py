"""The recommendation says on how many images it rests."""

from dataclasses import replace

import pytest

from napari_centermask.deploy.compress.judge import Scores
from napari_centermask.deploy.compress.table import Row, recommended

START = Row("nuclei", 8.0, 4, 9.0, 100.0, 10.0, None, None, Scores(0.8, 0.6, 0.5, 0.8, None, None), None, True)
INT8 = replace(START, step="int8", megabytes=2.0, latency_ms=40.0, loss=0.003)


def rows(images):
    return [replace(row, scores=replace(row.scores, images=images)) for row in (START, INT8)]


@pytest.mark.parametrize(
    ("images", "end"),
    [
        (40, "changes by -0.003. It was judged on 40 images."),
        (1, "changes by -0.003. It was judged on 1 image: few, so judge it on more before you rely on it."),
        (9, "judged on 9 images: few, so judge it on more before you rely on it."),
        (0, "AP50 changes by -0.003."),
    ],
)
def test_a_recommendation_says_on_how_many_images_it_rests_and_warns_of_few(images, end):
    best, sentence = recommended(rows(images))
    assert best == 1
    assert sentence.startswith("Use 'int8': 2.5 times as fast, 25 % of the size, ")
    assert sentence.endswith(end)
