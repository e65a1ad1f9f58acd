"""The torch engine, for the command line and child processes, never inside napari."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import Detections, Features, RegionFeatures
from napari_centermask.engines.heap import keep_freed_memory
from napari_centermask.engines.runtime import Precision, check_precision, split_device, usual_batch
from napari_centermask.models.families import family_of
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.nets.folding import folded
from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import load_model

_DEVICES = ("auto", "cpu", "cuda", "mps")
LOWEST = 0.01
"""Score below which the boxes of a Mask R-CNN are dropped at once; a choice, below what anything asks for but a click in an empty
place."""
_SMALLEST = 1e-2  # pixels: boxes without extent are none; torchvision's
_TINY = 1e-12  # in place of a sum of 0
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class OnDevice:
    """A network on a device, channels last, in a precision.

    Parameters
    ----------
    model
        In evaluation mode.
    card
        Its model card.
    device
        "cpu", "cuda", "cuda:1", "mps", ...
    precision
        Of convolutions and matrix products.
    batch
        Tiles to give it at once.

    Raises
    ------
    BadSettings
        If the device does not have the precision.
    """

    name = "torch"

    def __init__(
        self,
        model: Network,
        card: ModelCard,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
        batch: int = 1,
    ) -> None:
        check_precision(precision, precisions_here(device), engine="torch", device=device)
        self.card, self.device, self.precision, self.batch = card, device, precision, batch
        self._device = torch.device(device)
        self._network = model.to(self._device).to(memory_format=torch.channels_last).eval()

    def _input(self, tiles: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(tiles).to(self._device, memory_format=torch.channels_last)

    def _rounding(self) -> AbstractContextManager[object]:
        """Convolutions and matrix products in the engine's precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, _DTYPES[self.precision])


class TorchEngine(OnDevice):
    """CenterMask on PyTorch."""

    _network: CenterMask

    @torch.inference_mode()
    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        with self._rounding():
            pyramid, *dense = self._network.dense(self._input(tiles))
        # Pooling rounds the corners of boxes to the type of the features: to several pixels in bfloat16.
        levels = tuple(level.float() for level in pyramid)
        return Features(tiles.shape[2:], levels, *(d.float().cpu().numpy() for d in dense))

    @torch.inference_mode()
    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        rois = torch.from_numpy(np.insert(np.asarray(boxes, np.float32).reshape(-1, 4), 0, index, axis=1))
        kinds = torch.from_numpy(np.asarray(classes, np.int64))
        area = float(np.prod(features.tile_shape))
        with self._rounding():
            logits, quality = self._network.roi(features.pyramid, rois.to(self._device), kinds.to(self._device), area)
        return logits.float().sigmoid().cpu().numpy(), quality.float().clamp(0, 1).cpu().numpy()


class TorchRegionEngine(OnDevice):
    """A Mask R-CNN on PyTorch."""

    _network: MaskRCNN

    @torch.inference_mode()
    def features(self, tiles: np.ndarray) -> RegionFeatures:
        """See `RegionEngine.features`."""
        x, size = self._input(tiles), (tiles.shape[2], tiles.shape[3])
        with self._rounding():
            pyramid = {name: level.float() for name, level in self._network(x).items()}
            judged = self._network.judge(pyramid, self._network.propose(x, pyramid), size)
        found = tuple(_best(boxes.cpu().numpy(), shares.cpu().numpy()) for boxes, shares in judged)
        return RegionFeatures(size, (pyramid, len(tiles)), found)

    @torch.inference_mode()
    def votes(self, features: RegionFeatures, boxes: np.ndarray, *, index: int = 0) -> np.ndarray:
        """See `RegionEngine.votes`."""
        pyramid, regions = self._in_tile(features, boxes, index)
        with self._rounding():
            shares = self._network.judge(pyramid, regions, features.tile_shape)[index][1][:, 1:]
        votes: np.ndarray = (shares / shares.sum(dim=1, keepdim=True).clamp(min=_TINY)).cpu().numpy()
        return votes

    @torch.inference_mode()
    def masks(
        self, features: RegionFeatures, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `RegionEngine.masks`."""
        pyramid, regions = self._in_tile(features, boxes, index)
        kinds = torch.from_numpy(np.asarray(classes, np.int64)).to(self._device)
        with self._rounding():
            logits = self._network.masks(pyramid, regions, kinds, features.tile_shape)
        return logits.float().sigmoid().cpu().numpy(), np.ones(len(kinds), np.float32)

    def _in_tile(
        self, features: RegionFeatures, boxes: np.ndarray, index: int
    ) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
        """The pyramid, and the regions of each tile of the batch: boxes in one, none in the others."""
        pyramid, count = features.pyramid
        regions = [torch.zeros(0, 4, device=self._device)] * count
        regions[index] = torch.from_numpy(np.asarray(boxes, np.float32).reshape(-1, 4)).to(self._device)
        return pyramid, regions


def _best(boxes: np.ndarray, shares: np.ndarray) -> Detections:
    """The boxes of one tile with their likeliest category, best first.

    Parameters
    ----------
    boxes
        (P, categories, 4) float32.
    shares
        (P, 1 + categories) float32, of the background first.
    """
    scores, classes = shares[:, 1:].max(axis=1), shares[:, 1:].argmax(axis=1)
    boxes = boxes[np.arange(len(boxes)), classes]
    likely = (scores > LOWEST) & (boxes[:, 2:] - boxes[:, :2] > _SMALLEST).all(axis=1)
    order = np.flatnonzero(likely)[np.argsort(-scores[likely], kind="stable")]
    of_categories = shares[order, 1:] if shares.shape[1] > 2 else shares[order, 1:1]
    several = of_categories / of_categories.sum(axis=1, keepdims=True)
    return Detections(boxes[order], scores[order], classes[order].astype(np.int64), several)


class TorchMapEngine(OnDevice):
    """A U-Net on PyTorch."""

    _network: MapModel

    @torch.inference_mode()
    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        with self._rounding():
            maps = self._network.maps(self._input(tiles))
        return maps.float().cpu().numpy()


def engine_of(
    model: Network, card: ModelCard, *, device: str = "cpu", precision: Precision = "float32", batch: int = 1
) -> TorchEngine | TorchMapEngine | TorchRegionEngine:
    """The engine for a network in memory, of any family."""
    family = family_of(card)
    kind = family.load(family.engines["torch"])
    engine: TorchEngine | TorchMapEngine | TorchRegionEngine = kind(
        model, card, device=device, precision=precision, batch=batch
    )
    return engine


def load(
    weights: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "float32",
    batch: int | None = None,
) -> TorchEngine | TorchMapEngine | TorchRegionEngine:
    """The engine for a model's weights, its norms folded into convolutions; "auto" is CUDA if available.

    Raises
    ------
    BadModel, BadSettings
        If the file cannot be used, or the device is missing or does not have the precision.
    """
    if split_device(device)[0] not in _DEVICES:
        raise BadSettings(f"The engine torch runs on {', '.join(_DEVICES)}, not on '{device}'. Choose one of these.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadSettings(f"PyTorch has no CUDA device for device={device!r}. Use device cpu.")
    if device == "mps" and not torch.backends.mps.is_available():
        raise BadSettings("PyTorch has no device 'mps' here: it needs an Apple processor and macOS. Use device cpu.")
    if threads:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        keep_freed_memory()
    model, card = load_model(weights)
    model = folded(model, torch.zeros(1, card.model.in_channels, 64, 64))
    return engine_of(model, card, device=device, precision=precision, batch=batch or usual_batch(device))


def precisions_here(device: str) -> tuple[Precision, ...]:
    """The precisions that a device computes in faster than in float32, after that one.

    bfloat16 on a processor without instructions for it is 2 to 5 times slower than float32, and float16 no faster.
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        return ("float32", "float16", "bfloat16") if torch.cuda.is_bf16_supported() else ("float32", "float16")
    if kind == "mps":
        return ("float32", "float16")
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions do not tell
    return (
        ("float32", "bfloat16") if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else ("float32",)
    )
