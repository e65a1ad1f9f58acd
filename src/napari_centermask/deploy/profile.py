"""Which operators of a model take the time, by the profiles of ONNX Runtime and OpenVINO themselves."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.compress.calibrate import feeds_of
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.onnx import import_runtime
from napari_centermask.engines.openvino import profiled
from napari_centermask.models.families import family_of
from napari_centermask.models.store.zoo import ModelFiles
from napari_centermask.settings import SegmentSettings

Taken = Iterable[tuple[str, str, float]]
"""Layer, kind of operator, and seconds of single executions."""


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Attributes
    ----------
    layer
        Its name in the graph; engines fuse operators, and name the result after one of them.
    kind
        What the engine executes.
    ms
        Mean of a call of the graph.
    share
        Of the time of all graphs, in [0, 1].
    """

    graph: str
    layer: str
    kind: str
    ms: float
    share: float


def profile(
    files: ModelFiles, image: np.ndarray, *, engine: str, runs: int = 5, diameter: float | None = None
) -> list[Operator]:
    """The operators of a model on an image (C, H, W), slowest first.

    Each graph runs alone, on the largest input that it gets when the image is segmented on the CPU.

    Raises
    ------
    BadSettings
        If the engine has no profile, or no cells are found, as the second graph then has no input.
    """
    if engine not in ("onnx", "openvino"):
        raise BadSettings(
            f"Only the engines onnx and openvino have profiles, not '{engine}'. Use --engines onnx,openvino."
        )
    loaded = load_engine(files, engine=engine, device="cpu", precision="float32")
    feeds = feeds_of(loaded, image, SegmentSettings(diameter=diameter or files.card.diameter))
    taken = []
    for graph, path in zip(family_of(files.card).graphs, files.graphs or (), strict=True):
        if graph not in feeds:
            raise BadSettings(
                "No cells were found in the image, so the heads have nothing to do. Choose another image."
            )
        run = _onnx if engine == "onnx" else profiled
        sums: dict[tuple[str, str], float] = defaultdict(float)
        for layer, kind, seconds in run(path, feeds[graph], runs):
            sums[layer, kind] += seconds / runs
        taken += [(graph, layer, kind, seconds) for (layer, kind), seconds in sums.items()]
    total = sum(seconds for *_, seconds in taken) or 1.0
    rows = [Operator(g, layer, kind, seconds * 1e3, seconds / total) for g, layer, kind, seconds in taken]
    return sorted(rows, key=lambda row: -row.ms)


def _onnx(path: Path, feed: Mapping[str, np.ndarray], runs: int) -> Taken:
    runtime = import_runtime()
    with tempfile.TemporaryDirectory() as folder:
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        known = {value.name for value in session.get_inputs()}
        for _ in range(runs):
            session.run(None, {name: value for name, value in feed.items() if name in known})
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    ending = "_kernel_time"
    kernels = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(ending)]
    return [(e["name"].removesuffix(ending), e["args"]["op_name"], e["dur"] / 1e6) for e in kernels]


def format_operators(rows: list[Operator], *, most: int = 15) -> str:
    """A table of the slowest operators, and the sums of each kind."""
    lines = [f"{'graph':<8}{'ms':>9}{'share':>8}  {'kind':<28}layer"]
    lines += [f"{r.graph:<8}{r.ms:>9.2f}{r.share:>8.1%}  {r.kind:<28}{r.layer}" for r in rows[:most]]
    kinds: dict[str, float] = defaultdict(float)
    for row in rows:
        kinds[row.kind] += row.share
    largest = sorted(kinds.items(), key=lambda item: -item[1])[:6]
    return "\n".join([*lines, "By kind: " + ", ".join(f"{kind} {share:.0%}" for kind, share in largest)])
