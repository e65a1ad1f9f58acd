"""What bfloat16 does to the cells of OpenVINO: in the graph of an image alone, in all but pooling (as used here), and everywhere.

python scripts/benchmarks/rounding.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from napari_centermask.api import sample_image
from napari_centermask.core.instances import Instances
from napari_centermask.engines import openvino
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

RUNS = 3


def main() -> None:
    """Print a row for each way to round."""
    engines = {
        "float32": load_engine("nuclei", engine="openvino", precision="float32"),
        "bfloat16, pooling in float32": load_engine("nuclei", engine="openvino", precision="bfloat16"),
    }
    roi = find_model("nuclei").graphs[1]
    dense_only = load_engine("nuclei", engine="openvino", precision="bfloat16")
    dense_only._roi = engines["float32"]._roi
    everywhere = load_engine("nuclei", engine="openvino", precision="bfloat16")
    whole = openvino.RoiGraph(roi, "cpu", None, precision="float32")
    whole._graphs = [openvino.compile_graph(roi, "cpu", None, precision="bfloat16")]
    everywhere._roi = whole
    engines |= {"bfloat16, `dense` graph only": dense_only, "bfloat16 everywhere": everywhere}
    calls = {name: _segmenting(engine) for name, engine in engines.items()}
    rounds = [{name: call() for name, call in calls.items()} for _ in range(RUNS + 1)]
    seconds = {name: statistics.median(one[name][0] for one in rounds[1:]) for name in calls}
    truth = rounds[0]["float32"][1]
    for name in calls:
        f1, iou = _agreement(truth, rounds[0][name][1])
        print(f"{name:<32}{f1:>8.4f}{iou:>8.4f}{seconds['float32'] / seconds[name]:>7.2f}", flush=True)


def _segmenting(engine: openvino.OpenVinoEngine) -> Callable[[], tuple[float, Instances]]:
    image = sample_image()

    def once() -> tuple[float, Instances]:
        start = time.perf_counter()
        cells = segment(image, engine, SegmentSettings(diameter=40))
        return time.perf_counter() - start, cells

    return once


def _agreement(truth: Instances, found: Instances) -> tuple[float, float]:
    """F1 at IoU 0.9, and the mean IoU of cells that match at 0.5."""
    overlaps = pair(list(truth), list(found))
    f1 = 2 * len(match(overlaps, 0.9)[0]) / (len(truth) + len(found))
    return f1, float(match(overlaps, 0.5)[2].mean())


if __name__ == "__main__":
    main()
