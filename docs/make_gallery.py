"""Make the pictures and the table of docs/gallery.md: what each included model finds in each sample image, at default settings.

make gallery

Scores need the collections that the samples come from; without `--data`, the table keeps only counts.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import napari_centermask as ncm
from napari_centermask.core.instances import Instance
from napari_centermask.core.normalise import RANGE
from napari_centermask.engines import AnyEngine
from napari_centermask.evaluation.matching import match, pair, pair_boxes
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.images import read_image
from napari_centermask.models.store.zoo import list_models

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "resources" / "samples"
SIDE = 256  # pixels of a picture: four beside each other fit a page
GAP = 4
COLOURS = {"living": (123, 211, 137), "dead": (242, 90, 120)}
OTHERS = (255, 209, 102)  # the colour of the categories without one
BEGIN, END = "<!-- made by make_gallery.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Sample:
    """A sample image.

    Attributes
    ----------
    name
        Its file, without the ending.
    kind
        What it shows.
    collection
        The folder in `--data` with its annotations.
    by_boxes
        Whether cells are compared by their boxes, as the masks of the collection are poor.
    """

    name: str
    kind: str
    collection: str
    by_boxes: bool = False

    @property
    def picture(self) -> str:
        """Name of its picture."""
        return f"{self.name}.jpg"


KINDS = (
    Sample("nuclei_fluorescence", "Nuclei, fluorescence", "dsb2018_fluo"),
    Sample("nuclei_fluorescence_small", "Nuclei, fluorescence, a small field", "dsb2018_fluo"),
    Sample("nuclei_screen_16bit", "Nuclei of a screen, 16 bit", "bbbc039_fluo16"),
    Sample("nuclei_overlapping_semisynthetic", "Overlapping nuclei (semi-synthetic)", "dsb_overlap_composite"),
    Sample("nuclei_histology", "H&E-stained tissue", "dsb2018_histo"),
    Sample("nuclei_brightfield", "Cytology, bright field", "dsb2018_brightfield"),
    Sample("livedead_brightfield", "Counting chamber, bright field", "ldc_livedead", by_boxes=True),
    Sample("cells_phase_16bit", "Cells, phase contrast", "usiigaci_phase"),
    Sample("yeast_brightfield_16bit", "Budding yeast, bright field", "baby_yeast"),
    Sample("bacteria_phase_synthetic", "Bacteria, phase contrast (synthetic)", "cellsium_bacteria_synth"),
)


def plane(path: Path) -> np.ndarray:
    """(C, H, W) of an image file."""
    return next(pixels for _, pixels in read_image(path).planes())


def shown(pixels: np.ndarray) -> Image.Image:
    """An image as a person sees it: RGB as it is, else the usual range of intensities in grey."""
    if len(pixels) == 3 and pixels.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    low, high = np.percentile(pixels[0], RANGE)
    grey = np.clip((pixels[0].astype(float) - low) / max(high - low, 1e-6), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def outlined(picture: Image.Image, cells: ncm.Cells, scale: float) -> Image.Image:
    """The picture with the outline of every cell, hidden parts included."""
    drawn = picture.copy()
    draw = ImageDraw.Draw(drawn)
    for cell in cells:
        y, x, _, _ = cell.box
        size = [max(1, round(n * scale)) for n in cell.mask.shape]
        mask = np.asarray(
            Image.fromarray(np.pad(cell.mask, 1)).resize((size[1] + 2, size[0] + 2), Image.Resampling.NEAREST)
        )
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        rows, columns = np.nonzero(mask[1:-1, 1:-1] & ~inner)
        colour = COLOURS.get(cells.categories[cell.category], OTHERS)
        at = np.column_stack([columns + round(x * scale), rows + round(y * scale)])
        draw.point([(int(a), int(b)) for a, b in at], fill=colour)
    return drawn


def strip(pixels: np.ndarray, found: Sequence[ncm.Cells]) -> Image.Image:
    """The image, and beside it what each model found."""
    height, width = pixels.shape[1:]
    scale = SIDE / max(height, width)
    picture = shown(pixels).resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    pictures = [picture, *(outlined(picture, cells, scale) for cells in found)]
    joined = Image.new("RGB", (len(pictures) * (picture.width + GAP) - GAP, picture.height), "white")
    for number, each in enumerate(pictures):
        joined.paste(each, (number * (picture.width + GAP), 0))
    return joined


def segmented(path: Path, engine: AnyEngine, n_channels: int) -> ncm.Cells:
    """The cells at default settings; a model of one channel sees the first of several, as it must be chosen."""
    chosen = {"channels": [0]} if engine.card.model.in_channels == 1 < n_channels else {}
    return ncm.segment(path, engine, **chosen)


def annotated(sample: Sample, pixels: np.ndarray, data: Path | None) -> list[Instance] | None:
    """The annotated cells of the same image in its collection; None if it is not there."""
    if data is None:
        return None
    for record in read_annotated(
        data / sample.collection / "annotations.json", images_root=data / sample.collection / "images"
    ):
        if record.shape == pixels.shape[1:]:
            other = plane(data / sample.collection / "images" / record.file_name)
            if other.shape == pixels.shape and np.array_equal(other, pixels):
                return list(record.instances)
    return None


def text_of(sample: Sample, cells: ncm.Cells, truth: list[Instance] | None) -> str:
    """ "117 (F1 0.94)": how many cells were found, and how well they match the annotated ones."""
    if truth is None:
        return str(len(cells))
    pairs = (pair_boxes if sample.by_boxes else pair)(truth, list(cells))
    right = len(match(pairs, 0.5)[0])
    return f"{len(cells)} (F1 {2 * right / max(len(truth) + len(cells), 1):.2f})"


def main() -> None:
    """Make all pictures and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the collections")
    data = parser.parse_args().data
    models = sorted((m.name for m in list_models() if m.shipped), key=lambda name: (name != "nuclei", name))
    engines = [ncm.load_engine(name, engine="openvino") for name in models]
    (DOCS / "gallery").mkdir(exist_ok=True)
    rows = [
        "| image | annotated | " + " | ".join(f"`{name}`" for name in models) + " |",
        "|---|" + "---|" * (len(models) + 1),
    ]
    for sample in KINDS:
        path = SAMPLES / f"{sample.name}.png"
        pixels = plane(path)
        with warnings.catch_warnings(action="ignore"):
            found = [segmented(path, engine, len(pixels)) for engine in engines]
        truth = annotated(sample, pixels, data)
        strip(pixels, found).save(DOCS / "gallery" / sample.picture, quality=85, optimize=True)
        texts = [text_of(sample, cells, truth) for cells in found]
        rows.append(f"| {sample.kind} | {'–' if truth is None else len(truth)} | " + " | ".join(texts) + " |")
        print(rows[-1], flush=True)
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    (DOCS / "gallery.md").write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n\n" + after, encoding="utf-8")


if __name__ == "__main__":
    main()
