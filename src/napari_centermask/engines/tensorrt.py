"""TensorRT by itself: the whole-tile networks as its engines, the mask heads in torch, all on one GPU.

Each engine has a CUDA stream of its own, so that two on one GPU ("cuda:0,cuda:0") overlap. Like torch, it never runs inside
napari.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.engines import Features
from napari_centermask.engines.graphs import DENSE_INPUT, LOCATIONS, MAPS_OUTPUT, dense_outputs
from napari_centermask.engines.providers import check_tiles
from napari_centermask.engines.runtime import Precision, check_precision, split_device, usual_batch
from napari_centermask.engines.tensorrt_build import Build, built_engine
from napari_centermask.engines.torch import TorchEngine, load
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

_PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "bfloat16")
_FLOAT32 = ("node_mul", "node_exp", "node_sigmoid", "node_softmax")
"""Layers that stay float32, as torch's exporter names them: distances in pixels, and probabilities."""


def import_tensorrt() -> ModuleType:
    """The module tensorrt.

    Raises
    ------
    MissingExtra
        If it or one of its libraries is missing.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise MissingExtra(
            f"The engine 'tensorrt' needs TensorRT ({error}): pip install \"tensorrt-cu13>=10.13.2.6,<11\""
        ) from error
    module: ModuleType = tensorrt
    return module


class Graph:
    """A graph as an engine of TensorRT, with a context and a stream of its own.

    Parameters
    ----------
    path
        The ONNX file, whose only input is the image.
    """

    def __init__(self, path: Path, card: ModelCard, device: str, precision: Precision) -> None:
        kind, number = split_device("cuda" if device == "auto" else device)
        if kind != "cuda" or not torch.cuda.is_available():
            raise BadSettings(
                f"The engine tensorrt runs on device cuda, not on '{device}' here. Use engine openvino or onnx."
            )
        check_precision(precision, _PRECISIONS, engine="tensorrt", device="cuda")
        trt = import_tensorrt()
        self.device = torch.device("cuda", number)
        gpu = f"{torch.cuda.get_device_name(number)} {torch.cuda.get_device_capability(number)}"
        self._build = Build(card.model.in_channels, precision, _FLOAT32 if precision != "float32" else ())
        with torch.cuda.device(self.device):
            self._engine = built_engine(trt, path, self._build, gpu=gpu)
            self._context: Any = self._engine.create_execution_context()
        self.stream = torch.cuda.Stream(self.device)

    def run(self, tiles: np.ndarray, names: tuple[str, ...]) -> list[torch.Tensor]:
        """Outputs on the GPU, float32; the stream has done its work."""
        if not self._build.holds(tiles.shape):
            raise BadSettings(
                f"TensorRT's engine takes up to {self._build.largest} (tiles, height, width), not {tiles.shape}. "
                "Use a --tile of 1024 or less."
            )
        with torch.cuda.stream(self.stream):
            x = torch.from_numpy(tiles).to(self.device, non_blocking=True)
            self._context.set_input_shape(DENSE_INPUT, tuple(x.shape))
            self._context.set_tensor_address(DENSE_INPUT, x.data_ptr())
            outputs = [torch.empty(tuple(self._context.get_tensor_shape(n)), device=self.device) for n in names]
            for name, output in zip(names, outputs, strict=True):
                self._context.set_tensor_address(name, output.data_ptr())
            if not self._context.execute_async_v3(self.stream.cuda_stream):
                raise RuntimeError("TensorRT could not run; its log has the reason.")
        self.stream.synchronize()
        return outputs


class TensorRtEngine:
    """A CenterMask: `dense` on TensorRT, pooling and heads in torch.

    Parameters
    ----------
    dense
        The graph.
    weights
        For the heads.
    batch
        Tiles to give it at once; `usual_batch` by default.
    """

    name = "tensorrt"

    def __init__(
        self, dense: Path, weights: Path, card: ModelCard, *, device: str, precision: Precision, batch: int | None
    ) -> None:
        self.card, self.precision, self.batch = card, precision, batch or usual_batch("cuda")
        check_tiles(self.batch)
        self._dense = Graph(dense, card, device, precision)
        self.device = str(self._dense.device)
        self._heads = load(weights, device=self.device, precision=precision)

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        names = dense_outputs(len(cast(ModelSettings, self.card.model).pooled_levels))
        outputs = self._dense.run(tiles, names)
        n_levels = len(names) - len(LOCATIONS)
        return Features(tiles.shape[2:], tuple(outputs[:n_levels]), *(o.cpu().numpy() for o in outputs[n_levels:]))

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        if not isinstance(self._heads, TorchEngine):
            raise TypeError("Expected the weights of a CenterMask.")
        with torch.cuda.stream(self._dense.stream):
            return self._heads.masks(features, boxes, classes, index=index)


class TensorRtMapEngine:
    """A U-Net on TensorRT; parameters as in `TensorRtEngine`, but without weights."""

    name = "tensorrt"

    def __init__(
        self, maps: Path, weights: Path | None, card: ModelCard, *, device: str, precision: Precision, batch: int | None
    ) -> None:
        self.card, self.precision, self.batch = card, precision, batch or usual_batch("cuda")
        check_tiles(self.batch)
        self._maps = Graph(maps, card, device, precision)
        self.device = str(self._maps.device)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return self._maps.run(tiles, (MAPS_OUTPUT,))[0].cpu().numpy()
