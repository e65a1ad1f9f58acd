import numpy as np
from PIL import Image

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.error_maps import COLOURS, classify, error_map, write_error_map


def strip(x, width, height=4):
    return Instance(id=0, y0=0, x0=x, mask=np.ones((height, width), bool))


def test_errors_are_classified():
    truth = [strip(0, 4), strip(4, 4), strip(20, 12), strip(50, 4), strip(60, 4)]
    predicted = [strip(0, 8), strip(20, 5), strip(26, 5), strip(60, 4), strip(70, 4)]
    of_truth, of_found = classify(truth, predicted, threshold=0.55)
    assert of_truth == ["merged", "merged", "split", "missed", "true"]
    assert of_found == ["merged", "split", "split", "true", "false"]


def test_error_map_shows_the_colours_and_a_legend(cells):
    truth = cells(n=5, overlap=0)
    picture = error_map(np.zeros((1, *truth.shape), np.uint8), truth, Instances(truth.shape))
    assert picture.shape[0] > truth.shape[0]
    colours = {tuple(c) for c in picture[: truth.shape[0]].reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), COLOURS["missed"]}


def test_the_written_map_is_the_drawn_one_and_leaves_nothing_beside_it(tmp_path, cells):
    truth, image = cells(n=5), np.random.default_rng(0).random((2, 256, 256))
    write_error_map(tmp_path / "map.png", image, truth, cells(n=5, seed=2))
    drawn = error_map(image, truth, cells(n=5, seed=2))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "map.png")), drawn)
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]


def test_what_is_found_where_nobody_annotated_is_not_drawn_as_false(cells):
    truth = cells(n=5, overlap=0)
    whole = Instance(id=0, y0=0, x0=0, mask=np.ones(truth.shape, bool))
    assert classify(list(truth), [strip(200, 4), *truth], unknown=[whole])[1] == ["unknown", *["true"] * 5]
    with_unknown = error_map(np.zeros((1, *truth.shape), np.uint8), Instances(truth.shape), truth, unknown=[whole])
    colours = {tuple(c) for c in with_unknown.reshape(-1, 3).tolist()}
    assert COLOURS["unknown"] in colours
