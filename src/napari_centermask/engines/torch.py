"""The torch engine, for the command line and child processes, never inside napari."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import Features
from napari_centermask.models.families import family_of
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import load_model


class TorchEngine:
    """CenterMask on PyTorch, channels last.

    Parameters
    ----------
    model
        In evaluation mode.
    card
        Its model card.
    device
        "cpu", "cuda", "cuda:1", ...
    """

    name = "torch"

    def __init__(self, model: CenterMask, card: ModelCard, *, device: str = "cpu") -> None:
        self.card = card
        self.device = device
        self._device = torch.device(device)
        self._model = model.to(self._device).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        x = torch.from_numpy(tiles).to(self._device, memory_format=torch.channels_last)
        pyramid, *dense = self._model.dense(x)
        return Features(tiles.shape[2:], pyramid, *(d.float().cpu().numpy() for d in dense))

    @torch.inference_mode()
    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        rois = torch.from_numpy(np.insert(np.asarray(boxes, np.float32).reshape(-1, 4), 0, index, axis=1))
        kinds = torch.from_numpy(np.asarray(classes, np.int64))
        area = float(np.prod(features.tile_shape))
        logits, quality = self._model.roi(features.pyramid, rois.to(self._device), kinds.to(self._device), area)
        return logits.sigmoid().float().cpu().numpy(), quality.clamp(0, 1).float().cpu().numpy()


class TorchMapEngine:
    """A U-Net on PyTorch; parameters as in `TorchEngine`."""

    name = "torch"

    def __init__(self, model: MapModel, card: ModelCard, *, device: str = "cpu") -> None:
        self.card = card
        self.device = device
        self._device = torch.device(device)
        self._model = model.to(self._device).to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        x = torch.from_numpy(tiles).to(self._device, memory_format=torch.channels_last)
        return self._model.maps(x).float().cpu().numpy()


def engine_of(model: Network, card: ModelCard, *, device: str = "cpu") -> TorchEngine | TorchMapEngine:
    """The engine for a network in memory, of any family."""
    family = family_of(card)
    engine: TorchEngine | TorchMapEngine = family.load(family.engines["torch"])(model, card, device=device)
    return engine


def load(weights: Path, *, device: str = "auto", threads: int | None = None) -> TorchEngine | TorchMapEngine:
    """The engine for a model's weights; "auto" is CUDA if available.

    Raises
    ------
    BadModel, BadSettings
        If the file cannot be used, or CUDA is requested and missing.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadSettings(f"PyTorch has no CUDA device for device={device!r}. Use device cpu.")
    if threads:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model, card = load_model(weights)
    return engine_of(model, card, device=device)
