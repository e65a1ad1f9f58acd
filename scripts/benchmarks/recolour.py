"""How long thousands of cells take to change colour while the threshold of the viability dock is moved.

    xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/benchmarks/recolour.py

CPU time of the process, median and 95th percentile of --repeats moves of the threshold to random places. "step" is everything
that happens between the slider's signal and the end of its handling: colours, counts, tables and the plot. "redraw" is what
napari takes to draw the window then, here with a software renderer; "redraw alone" the same after a change of the image's
opacity, which every viewer has. "release" gives the cells their categories, as one edit; "opening" makes the layer of colours.
Cells are wobbly ellipses at random places of a 4096 x 4096 image, and as many in a stack of --frames 512 x 512 frames.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from editing import crowd

from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.deploy.benchmark import machine

KINDS = {1: "live", 2: "dead"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=5_000)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "NAPARI_CENTERMASK_HOME": home}
        image = image_of(arguments.cells, arguments.side)
        movie = movie_of(arguments.cells, arguments.frames)
        figures = {name: measure(r, arguments.repeats) for name, r in (("image", image), ("movie", movie))}
    print(json.dumps({"machine": machine(), "load": os.getloadavg()[0], "ms": figures}, indent=1), flush=True)
    os._exit(0)  # nothing to tidy up


def image_of(n: int, side: int) -> Result:
    """One image of n cells."""
    result = Result((side, side), name="image")
    result.put((), judged(crowd(n, side)), keep_ids=True)
    return result


def movie_of(n: int, frames: int) -> Result:
    """Frames with n cells together."""
    result = Result((512, 512), leading=(frames,), name="movie")
    for t in range(frames):
        result.put((t,), judged(crowd(n // frames, 512, seed=t)))
    return result


def judged(cells: Instances) -> Instances:
    """The cells with probabilities, a tenth of them decided by a person."""
    rng = np.random.default_rng(7)
    p = rng.beta(0.6, 0.6, len(cells))
    kinds = (
        replace(
            c,
            probabilities=(1 - q, q),
            category=1 + (q >= 0.5),
            status="predicted" if rng.random() < 0.9 else "corrected",
        )
        for c, q in zip(cells, p.tolist(), strict=True)
    )
    return Instances(cells.shape, kinds, categories=KINDS)


def measure(result: Result, repeats: int) -> dict:
    """Milliseconds of one image or movie."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_centermask.widgets.viability.dock import ViabilityDock
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.state import session_of

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    pixels = np.random.default_rng(0).integers(0, 255, (*result.leading, *result.shape), np.uint8)
    source = viewer.add_image(pixels, name="image")
    session_of(viewer).attach(source, ImagePlanes.of(source), result)
    session_of(viewer).compose_all()
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="Viability")

    def draw() -> None:
        for _ in range(3):
            QApplication.processEvents()

    draw()
    rng = np.random.default_rng(1)
    places = [round(t, 2) for t in rng.uniform(0.05, 0.95, repeats)]
    slider = dock.threshold.slider._slider
    slider.setSliderDown(True)
    steps, redraws = [], []
    for place in places:
        steps.append(timed(lambda place=place: slider.setValue(round(100 * place))))
        redraws.append(timed(draw))
    alone = []
    for k in range(repeats):
        source.opacity = 0.5 + k / (2 * repeats)
        alone.append(timed(draw))
    release = timed(lambda: slider.setSliderDown(False))
    settle = timed(session_of(viewer).settle)
    viability = dock.viability
    viability.show("before")
    opening = timed(lambda: viability.show("category"))
    times = {"step": steps, "redraw": redraws, "redraw alone": alone}
    row = {name: [round(float(np.percentile(t, q)), 1) for q in (50, 95)] for name, t in times.items()}
    changed = len(viability.edits.history._done[-1].changes)
    return row | {"release": round(release), "settle": round(settle), "opening": round(opening), "changed": changed}


def timed(action: Callable[[], object]) -> float:
    """CPU milliseconds."""
    start = time.process_time()
    action()
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    main()
