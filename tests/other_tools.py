"""Folders of training data as other tools write them, with the same squares everywhere."""

import json
from pathlib import Path

import numpy as np
import tifffile

SHAPE = (40, 60)
SQUARES = [(4, 6), (20, 30), (4, 40), (24, 8), (26, 46), (6, 22)]
SIDE = 8


def labels(squares=SQUARES, shape=SHAPE, side=SIDE):
    image = np.zeros(shape, np.uint16)
    for n, (y, x) in enumerate(squares, start=1):
        image[y : y + side, x : x + side] = n
    return image


def image(seed, shape=SHAPE):
    noise = np.random.default_rng(seed).integers(0, 40, shape)
    return (noise + 150 * (labels(shape=shape) > 0)).astype(np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".png":
        from PIL import Image

        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array, photometric="minisblack")
    return path


def stardist(folder):
    """As StarDist's examples: train and test, each with images/ and masks/."""
    for split, names in (("train", "abcdef"), ("test", "gh")):
        for name in names:
            write(folder / split / "images" / f"{name}.tif", image(ord(name)))
            write(folder / split / "masks" / f"{name}.tif", labels())
    return folder


def pairs(folder):
    """images/ and masks/ without splits."""
    for name in "abcdef":
        write(folder / "images" / f"{name}.tif", image(ord(name)))
        write(folder / "masks" / f"{name}_mask.png", labels())
    return folder


def cellpose(folder):
    """As Cellpose's own data: 000_img.png and 000_masks.png, with the flows that its training leaves there."""
    for n in range(6):
        write(folder / f"{n:03}_img.png", image(n))
        write(folder / f"{n:03}_masks.png", labels())
        write(folder / f"{n:03}_img_flows.tif", np.zeros((3, *SHAPE), np.float32))
    return folder


def cellpose_gui(folder):
    """As Cellpose's window saves: a_seg.npy beside a.tif, with a_cp_masks.png of the same cells; one image is not yet done."""
    for name in "abcdef":
        write(folder / f"{name}.tif", image(ord(name)))
        if name != "f":
            content = {"filename": f"C:\\data\\{name}.tif", "masks": labels(), "outlines": labels()}
            np.save(folder / f"{name}_seg.npy", np.array(content, dtype=object), allow_pickle=True)
            write(folder / f"{name}_cp_masks.png", labels())
    return folder


def corners(y, x, side=SIDE):
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def labelme(folder, kinds=("cell",)):
    """A JSON file beside each image; the classes come in another order in every other file."""
    for name in "abcdef":
        write(folder / f"{name}.png", image(ord(name)))
        order = list(enumerate(SQUARES))[:: 1 if ord(name) % 2 else -1]
        shapes = [
            {"label": kinds[n % len(kinds)], "points": corners(*at), "shape_type": "polygon", "group_id": None}
            for n, at in order
        ]
        size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
        content = {"shapes": shapes, "imagePath": f"{name}.png", "imageData": None, **size}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def yolo(folder):
    """As Ultralytics: images/train and labels/train with a data.yaml that names only these and val; one image is background."""
    for split, names in (("train", "abcd"), ("val", "ef")):
        for name in names:
            write(folder / "images" / split / f"{name}.png", image(ord(name)))
            lines = [" ".join(f"{x / SHAPE[1]} {y / SHAPE[0]}" for x, y in corners(*at)) for at in SQUARES]
            path = folder / "labels" / split / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{n % 2} {line}\n" for n, line in enumerate(lines)))
    (folder / "labels" / "train" / "d.txt").unlink()
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: [live, dead]\n")
    return folder


def roboflow(folder):
    """As Roboflow exports: train/, valid/ and test/, and a data.yaml whose paths begin with `..`; no labels for test."""
    for split, names in (("train", "abc"), ("valid", "de"), ("test", "f")):
        for name in names:
            write(folder / split / "images" / f"{name}.png", image(ord(name)))
            path = folder / split / "labels" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = (" ".join(f"{x / SHAPE[1]} {y / SHAPE[0]}" for x, y in corners(*at)) for at in SQUARES)
            path.write_text("" if split == "test" else "".join(f"0 {line}\n" for line in lines))
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: ['cell']\n"
    (folder / "data.yaml").write_text(text)
    return folder


def challenge(folder, bare=()):
    """01 with 01_GT: outlines of every second frame, marks of all; in the frames `bare`, one marked cell has no outline."""
    for at in range(6):
        write(folder / "01" / f"t{at:03}.tif", image(at))
        write(folder / "01_GT" / "TRA" / f"man_track{at:03}.tif", labels([(y + 2, x + 2) for y, x in SQUARES], side=3))
        if at % 2 == 0:
            drawn = SQUARES[:-1] if at in bare else SQUARES
            write(folder / "01_GT" / "SEG" / f"man_seg{at:03}.tif", labels(drawn))
    (folder / "01_GT" / "TRA" / "man_track.txt").write_text("".join(f"{n} 0 5 0\n" for n in range(1, 7)))
    return folder


def boxes(records) -> dict[Path, set]:
    """Boxes of the cells by image."""
    found: dict[Path, set] = {}
    for record in records:
        found.setdefault(record.path, set()).update(cell.box for cell in record.instances)
    return found


EXPECTED = {(y, x, y + SIDE, x + SIDE) for y, x in SQUARES}
