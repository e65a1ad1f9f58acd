"""Training data of other tools are read as they lie, with all cells and the splits that they have."""

import shutil

import numpy as np
import pytest

import other_tools as tools
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.reading import read_all, read_items
from napari_centermask.io.datasets.recognise import recognise
from napari_centermask.io.reviewed import is_partial, truth_of
from other_tools import EXPECTED, SHAPE, SQUARES, boxes, write


@pytest.mark.parametrize(
    ("make", "title", "splits"),
    [
        (tools.stardist, "pairs of images and masks (as for StarDist)", {"train": 6, "test": 2}),
        (tools.pairs, "pairs of images and masks (as for StarDist)", {"": 6}),
        (tools.cellpose, "label images beside the images (as for Cellpose)", {"": 6}),
        (tools.cellpose_gui, "Cellpose", {"": 5}),
        (tools.labelme, "LabelMe", {"": 6}),
        (tools.yolo, "YOLO segmentation", {"train": 4, "val": 2}),
        (tools.roboflow, "YOLO segmentation", {"train": 3, "val": 2, "test": 1}),
        (tools.challenge, "Cell Tracking Challenge", {"": 3}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_folder_is_recognised_and_read_with_every_cell(tmp_path, make, title, splits):
    dataset = recognise(make(tmp_path))
    assert (dataset.title, {name: len(items) for name, items in dataset.splits.items()}) == (title, splits)
    said: list[str] = []
    records = read_all(dataset, say=said.append)
    assert said[0].startswith(f"Read as {title}: {tmp_path.name}, {sum(splits.values())} images with ")
    assert all(record.path.is_file() and record.shape == SHAPE for record in records)
    assert {frozenset(found) for found in boxes(records).values()} <= {frozenset(EXPECTED), frozenset()}
    assert sum(bool(found) for found in boxes(records).values()) >= len(records) - 1


def test_a_split_is_read_by_itself_and_must_be_chosen(tmp_path):
    dataset = recognise(tools.stardist(tmp_path))
    assert [r.file_name for r in read_items(dataset, "test")] == ["test/images/g.tif", "test/images/h.tif"]
    with pytest.raises(BadAnnotations, match=r"it has train, test .* Choose one with --split"):
        read_items(dataset, None)
    with pytest.raises(BadAnnotations, match="has no splits .* Leave --split out"):
        read_items(recognise(tools.pairs(tmp_path / "pairs")), "val")


def test_images_that_are_not_done_yet_are_left_out_aloud_but_background_of_yolo_counts(tmp_path):
    said: list[str] = []
    records = read_all(recognise(tools.cellpose_gui(tmp_path / "gui")), say=said.append)
    assert "f.tif" in " ".join(said)
    assert "f.tif" not in {r.path.name for r in records}
    records = read_all(recognise(tools.yolo(tmp_path / "yolo")), say=said.append)
    empty = next(r for r in records if r.path.name == "d.png")
    assert truth_of(empty, partial=is_partial(records)).reviewed is None
    assert "used as images without cells, as YOLO does" in said[-1]


@pytest.mark.parametrize(
    ("make", "file", "text", "why"),
    [
        (tools.yolo, "labels/train/b.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5 0.93\n", "Line 1 of b.txt is not a class"),
        (tools.labelme, "b.json", '{"shapes": [{"label": "ce', "b.json cannot be read as LabelMe file"),
        (tools.labelme, "b.json", "", "b.json cannot be read as LabelMe file"),
    ],
    ids=["a score behind the corners", "cut short", "empty"],
)
def test_an_image_whose_file_of_cells_is_damaged_does_not_count_as_one_without_cells(tmp_path, make, file, text, why):
    (make(tmp_path) / file).write_text(text)
    with pytest.raises(BadAnnotations, match=why):
        read_all(recognise(tmp_path))


def test_a_class_is_the_same_category_in_every_file(tmp_path):
    """LabelMe's files name classes, and each file begins with another one."""
    records = read_all(recognise(tools.labelme(tmp_path, kinds=("live", "dead"))))
    for record in records:
        kinds = {(c.box[0], c.box[1]): record.instances.categories[c.category] for c in record.instances}
        assert kinds == {at: ("live", "dead")[n % 2] for n, at in enumerate(SQUARES)}
        assert record.instances.categories == records[0].instances.categories


def test_a_frame_with_cells_that_nobody_outlined_is_no_background(tmp_path):
    said: list[str] = []
    records = read_all(recognise(tools.challenge(tmp_path, bare=(2,))), say=said.append)
    assert is_partial(records)
    truths = {r.path.name: truth_of(r, partial=True) for r in records}
    assert {name: len(truth.instances) for name, truth in truths.items()} == {
        "t000.tif": 6,
        "t002.tif": 5,
        "t004.tif": 6,
    }
    assert [truths[f"t00{at}.tif"].reviewed for at in (0, 2, 4)] == [None, (), None]
    assert "1 frame or slice with cells that are marked but not outlined" in said[-1]


def test_silver_truth_that_lacks_a_marked_cell_is_no_background_either(tmp_path):
    folder = tools.challenge(tmp_path, bare=(2,))
    (folder / "01_ST").mkdir()
    (folder / "01_GT" / "SEG").rename(folder / "01_ST" / "SEG")
    truths = {r.path.name: truth_of(r, partial=True) for r in read_all(recognise(folder))}
    assert [truths[f"t00{at}.tif"].reviewed for at in (0, 2, 4)] == [None, (), None]


@pytest.mark.parametrize("given", ["", "01", "01_GT", "01_GT/SEG", "01_GT/TRA"])
def test_any_folder_of_a_sequence_names_it(tmp_path, given):
    dataset = recognise(tools.challenge(tmp_path) / given)
    assert dataset.title == "Cell Tracking Challenge"
    assert {r.path for r in read_all(dataset)} == {tmp_path / "01" / f"t00{at}.tif" for at in (0, 2, 4)}


def test_a_result_is_read_only_if_it_is_the_folder_itself(tmp_path):
    folder = tools.challenge(tmp_path)
    for at in range(6):
        write(folder / "01_RES" / f"mask{at:03}.tif", tools.labels())
    assert len(read_all(recognise(folder))) == 3
    said: list[str] = []
    assert len(read_all(recognise(folder / "01_RES"), say=said.append)) == 6
    assert "01_RES is a result, not a truth." in said


def test_outlines_of_single_slices_lie_on_their_planes(tmp_path):
    write(tmp_path / "01" / "t000.tif", np.zeros((4, *SHAPE), np.uint16))
    write(tmp_path / "01_GT" / "SEG" / "man_seg_000_002.tif", tools.labels())
    (record,) = read_all(recognise(tmp_path))
    assert (record.plane, record.leading, len(record.instances)) == ((2,), (4,), 6)
    write(tmp_path / "01_GT" / "SEG" / "man_seg_000_007.tif", tools.labels())
    with pytest.raises(BadAnnotations, match="slice 7, which .*t000.tif does not have"):
        read_all(recognise(tmp_path))


def test_outlines_of_a_whole_volume_lie_on_all_planes(tmp_path):
    write(tmp_path / "01" / "t000.tif", np.zeros((3, *SHAPE), np.uint16))
    write(tmp_path / "01_GT" / "SEG" / "man_seg000.tif", np.stack([tools.labels()] * 3))
    write(tmp_path / "01_GT" / "TRA" / "man_track000.tif", np.stack([tools.labels()] * 3))
    records = read_all(recognise(tmp_path))
    assert [(r.plane, len(r.instances)) for r in records] == [((z,), 6) for z in range(3)]
    assert not is_partial(records)


def test_a_sequence_without_gold_truth_says_what_it_is_read_from(tmp_path):
    folder = tools.challenge(tmp_path)
    (folder / "01_GT" / "SEG").rename(folder / "SEG")
    said: list[str] = []
    assert sum(len(r.instances) for r in read_all(recognise(folder), say=said.append)) == 36
    assert "marks for tracking are used, which may be smaller than the cells" in " ".join(said)
    (folder / "01_ST").mkdir()
    (folder / "SEG").rename(folder / "01_ST" / "SEG")
    read_all(recognise(folder), say=said.append)
    assert "01_ST/SEG was made by programs" in " ".join(said)


def test_a_list_of_images_is_a_split_of_yolo(tmp_path):
    folder = tools.yolo(tmp_path)
    (folder / "train.txt").write_text("./images/train/a.png\nimages/train/b.png\n")
    (folder / "data.yaml").write_text("train: train.txt\nval: [images/val]\nnames: {0: live, 1: dead}\n")
    dataset = recognise(folder)
    assert {name: len(items) for name, items in dataset.splits.items()} == {"train": 2, "val": 2}
    (folder / "train.txt").write_text("images/train/gone.png\n")
    with pytest.raises(BadAnnotations, match=r"train\.txt lists images/train/gone\.png"):
        recognise(folder)


def test_an_image_of_two_splits_is_read_once_and_it_is_said(tmp_path):
    """As in YOLO's coco8-seg and coco128-seg, where train and val are the same folder."""
    folder = tools.yolo(tmp_path)
    (folder / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [live, dead]\n")
    said: list[str] = []
    records = read_all(recognise(folder), say=said.append)
    assert len(records) == len({record.path for record in records}) == 4
    assert "4 images of val are in train, too: its figures are too good." in said


@pytest.mark.parametrize("root", ["/home/somebody/sets/cells/", "C:\\Users\\somebody\\cells\\"])
def test_a_list_with_paths_of_another_computer_finds_its_folders(tmp_path, root):
    folder = tools.yolo(tmp_path)
    (folder / "data.yaml").write_text(f"train: '{root}images/train'\nval: '{root}images/val'\nnames: [live, dead]\n")
    dataset = recognise(folder)
    assert {name: len(items) for name, items in dataset.splits.items()} == {"train": 4, "val": 2}


def test_images_for_tests_that_a_list_names_may_be_missing_and_others_not(tmp_path):
    folder = tools.roboflow(tmp_path)
    shutil.rmtree(folder / "test")
    said: list[str] = []
    dataset = recognise(folder)
    read_items(dataset, "train", say=said.append)
    assert dataset.split_names == ["train", "val"]
    assert "data.yaml names ../test/images for tests, which is not there: left out." in said
    shutil.rmtree(folder / "valid")
    with pytest.raises(BadAnnotations, match=r"data\.yaml names \.\./valid/images, which is not there"):
        recognise(folder)


def test_an_image_without_its_mask_is_named(tmp_path):
    folder = tools.pairs(tmp_path)
    (folder / "masks" / "c_mask.png").unlink()
    with pytest.raises(BadAnnotations, match=r"1 image \(c\.tif\) in .*images has no mask in .*masks\. Add the masks"):
        recognise(folder)


def test_a_mask_without_its_image_is_named(tmp_path):
    folder = tools.cellpose(tmp_path)
    (folder / "002_img.png").unlink()
    with pytest.raises(BadAnnotations, match=r"1 file \(002_masks\.png\) .* has no image"):
        recognise(folder)


def test_sizes_that_differ_are_named(tmp_path):
    folder = tools.stardist(tmp_path)
    write(folder / "train" / "masks" / "b.tif", tools.labels()[:30])
    with pytest.raises(BadAnnotations, match=r"differ in size: .*b\.tif has 40 x 60 .*b\.tif 30 x 60"):
        read_items(recognise(folder), "train")


def test_a_folder_that_fits_several_tools_is_not_guessed(tmp_path):
    folder = tools.pairs(tmp_path)
    for name in "abcdef":
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    with pytest.raises(BadAnnotations, match=r"several ways: .*masks/a_mask\.png.*YOLO segmentation \(labels/a\.txt\)"):
        recognise(folder)


def test_images_alone_are_nobodys_cells(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.tif", tools.labels())
    (tmp_path / "notes.txt").write_text("From the microscope downstairs.")
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "missing") is None


def test_the_archive_that_the_data_came_in_is_no_cells(tmp_path):
    import zipfile

    with zipfile.ZipFile(tools.cellpose(tmp_path) / "download.zip", "w") as archive:
        archive.writestr("readme.txt", "Cells.")
    assert recognise(tmp_path).format == "labels"
