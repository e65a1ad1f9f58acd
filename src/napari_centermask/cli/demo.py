"""`demo`: segment a real image with an included model and show the result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cli.output import busy, check_writable, follow, notice, print_json, write_labels
from napari_centermask.cli.segment import Flag
from napari_centermask.core.counted import counted
from napari_centermask.io.whole_file import whole_file
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    import numpy as np

    from napari_centermask.core.instances import Instances

SAMPLE = "nuclei_fluorescence.png"
VIEWER = "napari_centermask.widgets.viewer.demo"
"""Run as a program: opens napari with an image and its COCO file. The command line itself does not import Qt."""


def sample_image() -> Path:
    """The sample image of the demo."""
    return Path(__file__).parents[1] / "resources" / "samples" / SAMPLE


def demo(*, out: Path = Path("demo_output"), engine: str = "auto", window: bool = True, json: Flag = False) -> int:
    """Segment a real sample image and show it: as overlay.png and, if there is a display, in napari.

    For example:

      napari-centermask demo

      napari-centermask demo --no-window --out /tmp/cells

    Parameters
    ----------
    out
        Folder for overlay.png, the label image and the COCO file; results of an earlier demo are replaced.
    engine
        auto, openvino, onnx or torch.
    window
        Open napari.
    json
        Print a summary as JSON.
    """
    from PIL import Image

    from napari_centermask.core.compose import label_image
    from napari_centermask.engines.load import load_chosen
    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.coco.image_record import ImageRecord
    from napari_centermask.io.images import read_plane
    from napari_centermask.pipeline import segment_plane

    files = {"overlay": out / "overlay.png", "labels": out / "labels.tif", "coco": out / "annotations.json"}
    path = sample_image()
    check_writable(files.values(), inputs=[path])
    settings = SegmentSettings.model_validate({"engine": engine})
    with busy(f"Loading {settings.model}"):
        loaded = load_chosen(settings.model, settings, say=notice)
    image = read_plane(path)
    cells = follow(segment_plane(image, loaded, settings), path.name).cells
    with whole_file(files["overlay"]) as part:
        Image.fromarray(overlay(image, cells)).save(part, format="PNG")
    write_labels(files["labels"], label_image(cells))
    write_coco(files["coco"], [ImageRecord(1, path.name, path, cells.shape, cells)])
    if json:
        print_json({"image": path, "n_instances": len(cells), "engine": loaded.name, "device": loaded.device, **files})
    else:
        print(
            f"{counted(len(cells), 'cell')} in {path.name} with '{settings.model}' on {loaded.name}: {files['overlay']}"
        )
    if window:
        _open_napari(path, files["coco"])
    return 0


def overlay(image: np.ndarray, cells: Instances) -> np.ndarray:
    """The image with each cell tinted and outlined in its own colour, including outlines that other cells cover.

    Parameters
    ----------
    image
        (C, H, W), any dtype.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) uint8.
    """
    import numpy as np
    from scipy.ndimage import binary_erosion

    from napari_centermask.core.normalise import intensity_range, normalise

    low, high = intensity_range(image, (1.0, 99.8))
    grey = np.clip(normalise(image, low, high), 0, 1)
    channels = grey[:3] if len(grey) >= 3 else np.repeat(grey[:1], 3, axis=0)
    picture = np.ascontiguousarray(channels.transpose(1, 2, 0)) * 255.0
    colours = {cell.id: _colour(number) for number, cell in enumerate(cells)}
    for strength, inner in ((0.35, False), (1.0, True)):
        for cell in cells:
            y0, x0, y1, x1 = cell.box
            mask = cell.mask & ~binary_erosion(cell.mask) if inner else cell.mask
            crop = picture[y0:y1, x0:x1]
            crop[mask] = (1 - strength) * crop[mask] + strength * colours[cell.id]
    return np.round(picture).astype(np.uint8)


def _colour(number: int) -> np.ndarray:
    """(3,) RGB in 0..255; hues are a golden section apart, so that neighbours in the list differ."""
    import colorsys

    import numpy as np

    return 255.0 * np.array(colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.75, 1.0))


def _open_napari(image: Path, coco: Path) -> None:
    from napari_centermask.cli.probes import probe_display

    fault = probe_display()
    if fault:
        notice(f"Cannot open napari: {fault}")
        return
    notice("Opening napari; close its window to continue.")
    subprocess.run([sys.executable, "-m", VIEWER, str(image), str(coco)], check=False)
