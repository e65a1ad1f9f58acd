"""Factories, the shared data, and the walls between test processes.

`--suite core|gui|torch|packaging` picks the tests of one process and makes the imports it must not see fail:
napari and torch in one process crash on Linux (docs/architecture.md). Without `--suite` the paths given decide;
gui and torch tests in one run are refused.
"""

from __future__ import annotations

import functools
import gc
import importlib.abc
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TESTS = Path(__file__).parent
sys.path.append(str(TESTS))  # at the end, as folders here are called as packages are
GUI_FOLDERS = {"widgets", "e2e"}
QT_FREE = {
    "test_changes.py",
    "test_control.py",
    "test_controls.py",
    "work/test_tasks.py",
}
"""Tests below `GUI_FOLDERS` of what needs no Qt, such as what docks decide: they run in core, where Qt cannot be imported."""
TORCH_FOLDERS = {"models", "training", "deploy", "detectron2"}
TORCH_FREE = {
    "test_card.py",
    "test_classifier_card.py",
    "test_family.py",
    "test_idle_settings.py",
    "test_shipped.py",
    "test_zoo.py",
    "test_headers.py",
    "test_registry.py",
}
_USES_TORCH = (
    r"^\s*(import|from) torch\b|importorskip\(.torch"
    r"|napari_centermask\.(engines\.torch|training|deploy|models\.nets"
    r"|models\.store\.(?:checkpoint|pickles|reference))"
)
SUITES = ("core", "gui", "torch", "packaging")
FORBIDDEN = {
    "core": {"torch", "torchvision", "napari", "qtpy", "PyQt6", "PySide6"},
    "gui": {"torch", "torchvision"},
    "torch": {"napari", "qtpy", "PyQt6", "PySide6"},
    "packaging": set(),
}


@functools.cache
def suite_of(path: Path) -> str:
    """The suite of a test file: by its folder, or torch where the file itself imports torch."""
    folders = path.relative_to(TESTS).parts[:-1]
    if "packaging" in folders:
        return "packaging"
    if GUI_FOLDERS & set(folders):
        return "core" if QT_FREE & {path.name, "/".join(path.parts[-2:])} else "gui"
    if TORCH_FOLDERS & set(folders) and path.name not in TORCH_FREE:
        return "torch"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return "torch" if re.search(_USES_TORCH, text, re.MULTILINE) else "core"


class _Forbid(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the import of some packages fail; whoever asks is told that they are installed, even where they are not."""

    def __init__(self, names: set[str], suite: str) -> None:
        self.names, self.suite = names, suite

    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self) if fullname.partition(".")[0] in self.names else None

    def exec_module(self, module):
        message = f"{module.__name__} must not be imported in the {self.suite} test process"
        raise ModuleNotFoundError(message, name=module.__name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", choices=SUITES, help="run the tests of one process only")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["NAPARI_CONFIG"] = (
        ""  # no person's settings of napari are read or written, which takes 40 ms for each viewer
    )
    suite = config.getoption("--suite")
    if suite:
        sys.meta_path.insert(0, _Forbid(FORBIDDEN[suite], suite))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    suite = config.getoption("--suite")
    if suite and _is_of_others(collection_path, suite):
        return True
    return None


def _is_of_others(path: Path, suite: str) -> bool:
    """Whether a test file, or all of them in a folder, belong to other suites; then the folder's conftest is not imported."""
    if path.is_dir():
        files = [*path.rglob("test_*.py")] if path.is_relative_to(TESTS) else []
        return bool(files) and all(_is_of_others(file, suite) for file in files)
    return path.suffix == ".py" and path.name.startswith("test_") and suite_of(path) != suite


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    suites = set()
    for item in items:
        suite = suite_of(item.path)
        suites.add(suite)
        if suite != "core":
            item.add_marker(getattr(pytest.mark, suite))
    if {"gui", "torch"} <= suites:
        raise pytest.UsageError("napari and torch must not meet in one process: add --suite core, gui or torch.")


@pytest.fixture(scope="session", autouse=True)
def _plugins_found_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the manifests of installed plugins: napari finds and reads all of them again for each viewer, 0.2 s."""
    if not any(item.get_closest_marker("gui") for item in request.session.items):
        yield
        return
    from npe2 import PluginManifest

    discover = PluginManifest.discover
    found = functools.cache(lambda: list(discover()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda paths=(): discover(paths) if paths else found())
        yield


@pytest.fixture(autouse=True)
def _long_lived_set_aside(request: pytest.FixtureRequest) -> None:
    """Let full garbage collections skip what was imported: napari starts one for each layer that is removed."""
    if request.node.get_closest_marker("gui") and len(gc.get_objects()) > 100_000:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and goldens: NCM_SHARED, or ../shared beside the repository."""
    folder = Path(os.environ.get("NCM_SHARED", TESTS.parent.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set NCM_SHARED")
    return folder


def _ellipse(shape, centre, radii, angle, wobble, rng):
    """(H, W) bool: an ellipse whose outline waves a little."""
    reach = max(radii) * (1 + wobble) + 1
    first = np.clip(np.floor(np.asarray(centre) - reach), 0, shape).astype(int)
    last = np.clip(np.ceil(np.asarray(centre) + reach) + 1, 0, shape).astype(int)
    yy, xx = np.mgrid[first[0] : last[0], first[1] : last[1]].astype(float)
    dy, dx = yy - centre[0], xx - centre[1]
    u = (dy * np.cos(angle) + dx * np.sin(angle)) / radii[0]
    v = (dx * np.cos(angle) - dy * np.sin(angle)) / radii[1]
    theta = np.arctan2(v, u)
    phases = rng.uniform(0, 2 * np.pi, 3)
    rim = 1 + wobble * sum(np.cos((k + 2) * theta + p) for k, p in enumerate(phases)) / 3
    mask = np.zeros(shape, bool)
    mask[first[0] : last[0], first[1] : last[1]] = np.hypot(u, v) <= rim
    return mask


def make_cells(n: int = 12, *, overlap: float = 0.3, seed: int = 1, shape=(256, 256), radius: float = 14.0):
    """`Instances` of n wobbly ellipses, of which about the part `overlap` lies on an earlier one.

    Overlapping cells are placed 1.2 radii from the one below, so that both keep most of their pixels.
    """
    from napari_centermask.core.instances import Instance, Instances

    rng = np.random.default_rng(seed)
    cells = Instances(shape)
    centres: list[np.ndarray] = []
    for order in range(n):
        if centres and rng.random() < overlap:
            angle = rng.uniform(0, 2 * np.pi)
            centre = centres[rng.integers(len(centres))] + 1.2 * radius * np.array([np.sin(angle), np.cos(angle)])
            centre = np.clip(centre, radius, np.array(shape) - radius)
        else:
            centre = _free_place(rng, shape, radius, centres)
        centres.append(centre)
        radii = radius * rng.uniform(0.8, 1.2, 2)
        mask = _ellipse(shape, centre, radii, rng.uniform(0, np.pi), 0.15, rng)
        score = float(np.round(rng.uniform(0.5, 1.0), 3))
        cells.add(Instance.from_mask(mask, score=score, order=float(order), source="factory"))
    return cells


def _free_place(rng, shape, radius, centres, tries=200):
    """A centre at least 2.6 radii from the others where one is found within `tries`."""
    for _ in range(tries):
        centre = rng.uniform(radius, np.array(shape) - radius)
        if all(np.hypot(*(centre - other)) > 2.6 * radius for other in centres):
            break
    return centre


@pytest.fixture
def cells():
    """Factory of synthetic cells: `cells(n=12, overlap=0.3, seed=1, shape=(256, 256), radius=14)`."""
    return make_cells


@pytest.fixture
def fields(tmp_path, cells) -> Path:
    """A data folder with an annotated image of 96 x 96 pixels to train on, and one to validate on."""
    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.coco.image_record import ImageRecord

    data = tmp_path / "fields"
    (data / "images").mkdir(parents=True)
    for split in ("train", "val"):
        truth = cells(n=4, overlap=0.0, shape=(96, 96), radius=10)
        Image.fromarray(np.full((96, 96), 20, np.uint8)).save(data / "images" / f"{split}.png")
        write_coco(data / f"annotations_{split}.json", [ImageRecord(1, f"{split}.png", None, truth.shape, truth)])
    return data


@pytest.fixture
def jobs_at_once(monkeypatch):
    """Let jobs run at the priority of the tests; at their own, a busy machine lets them wait for minutes."""
    from napari_centermask.jobs.process import Job

    monkeypatch.setitem(Job.start.__func__.__kwdefaults__, "nice", 0)


@pytest.fixture
def lif(tmp_path):
    """Factory of a LIF file with the images Series 1, (C, Z, Y, X) with the channels Green and Red, and Series:2/x, (Y, X)."""
    pytest.importorskip("bioio_lif")
    sys.path.insert(0, str(TESTS))
    from lif_files import write_lif

    def make(path=tmp_path / "slide.lif", shape=(40, 50), **options):
        rng = np.random.default_rng(3)
        stack, plane = rng.integers(0, 255, (2, 3, *shape), np.uint8), rng.integers(0, 60_000, shape, np.uint16)
        images = {"Series 1": (stack, "CZYX"), "Series:2/x": (plane, "YX")}
        return write_lif(path, images, names=("Green", "Red"), **options), stack, plane

    yield make
    sys.path.remove(str(TESTS))


@pytest.fixture
def nd2(tmp_path):
    """Factory of an ND2 file with a stack (Z, C, Y, X) of the channels DAPI and GFP."""
    pytest.importorskip("bioio_nd2")
    sys.path.insert(0, str(TESTS))
    from nd2_files import write_nd2

    def make(path=tmp_path / "cells.nd2", shape=(40, 50), **options):
        stack = np.random.default_rng(4).integers(0, 60_000, (3, 2, *shape), np.uint16)
        return write_nd2(path, stack, names=("DAPI", "GFP"), **options), stack

    yield make
    sys.path.remove(str(TESTS))
