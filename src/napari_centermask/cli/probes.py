"""What works on this machine; each probe runs in its own process, so that a crash affects nothing else."""

from __future__ import annotations

import importlib.metadata as metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from napari_centermask.core.extras import how_to_install, how_to_use_gpu, is_installed
from napari_centermask.engines.devices import PACKAGES, cuda_works, tensorrt_works
from napari_centermask.jobs.child import last_words

NO_DRIVER = "no NVIDIA driver on this machine"
TIMEOUT_S = 90  # a choice: several times what importing torch takes on a slow disk
BUILD_TIMEOUT_S = 900  # a choice: TensorRT tries many kernels
OLDEST_QT = (5, 15)  # napari's own bound
QT_LIBRARIES = (
    "libgl1 libgl1-mesa-dri libegl1 libopengl0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1"
)

_QT = """
import qtpy
from qtpy.QtWidgets import QApplication
app = QApplication([])
from qtpy.QtCore import qVersion
print(json.dumps({"detail": f"{qtpy.API_NAME}, Qt {qVersion()}, {app.platformName()}"}))
"""
_QT_BINDING = """
import qtpy
import qtpy.QtWidgets
from qtpy.QtCore import qVersion
print(json.dumps({"detail": f"{qtpy.API_NAME}, Qt {qVersion()} loads; not tried with a display"}))
"""
_NAPARI = """
import napari
import napari.layers
print(json.dumps({"detail": "napari " + napari.__version__}))
"""
_TORCH = """
import torch, torchvision
where = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA device"
print(json.dumps({"detail": f"torch {torch.__version__}, torchvision {torchvision.__version__}, {where}"}))
"""
_TORCH_CUDA = """
import torch
float(torch.ones(8, device="cuda").sum())
print(json.dumps({"detail": torch.cuda.get_device_name(0)}))
"""
_EXPORT = """
import onnx, onnxruntime, onnxscript, torch
print(json.dumps({"detail": f"onnx {onnx.__version__}, checked with onnxruntime {onnxruntime.__version__}"}))
"""
_COMPRESSION = """
from importlib.metadata import version
import nncf, torch_pruning
print(json.dumps({"detail": f"nncf {version('nncf')}, torch-pruning {version('torch-pruning')}"}))
"""
_COMPRESS = {
    "nncf": ("nncf", "quantisation with the method nncf"),
    "torch-pruning": ("torch_pruning", "pruning of channels"),
}
"""Package -> its module, and the steps of a compression that need it; the others need what exports need."""
_ENGINE = """
import numpy as np
from napari_centermask.engines.load import load_engine
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import SegmentSettings
engine = load_engine({model!r}, engine={engine!r}, device={device!r})
image = np.random.default_rng(0).random((engine.card.model.in_channels, 256, 256))
names = engine.card.channel_names or None
Prompter(engine, image, SegmentSettings(diameter=engine.card.diameter, channel_names=names)).box(8, 8, 40, 40)
print(json.dumps({{"detail": f"runs on {{engine.device}}"}}))
"""
_AUTO = """
from napari_centermask.engines.load import load_engine
notes = []
engine = load_engine({model!r}, say=notes.append)
print(json.dumps({{"detail": " ".join([f"uses {{engine.name}} on {{engine.device}}.", *notes])}}))
"""


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    ok
        None: not installed and not needed, or not tried.
    remedy
        What to do; empty if all is well.
    """

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""


def probe(code: str, *, timeout_s: float = TIMEOUT_S) -> tuple[bool, str]:
    """Run Python code in a new process; its last line of output must be a JSON object with "detail".

    Returns
    -------
    worked : bool
    detail : the detail, or the error, on one line.
    """
    try:
        command = [sys.executable, "-c", f"import json\n{code}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {timeout_s:.0f} s"
    if done.returncode < 0:
        return False, f"crashed with signal {-done.returncode}"
    if done.returncode:
        return False, last_words(done.stderr) or f"ended with code {done.returncode}"
    try:
        return True, str(json.loads(done.stdout.strip().splitlines()[-1])["detail"])
    except (IndexError, ValueError, KeyError, TypeError):
        return False, "did not answer"


def has_display() -> bool:
    """Whether windows can be opened at all."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def probe_display() -> str:
    """Why napari cannot open a window; empty if it can."""
    if not has_display():
        return "there is no display."
    if find_spec("napari") is None:
        return f"it is not installed: {how_to_install('all')}"
    worked, detail = probe(_QT)
    return "" if worked else f"Qt does not work ({detail}). Run: napari-centermask doctor"


def check_qt() -> Check:
    """A Qt binding loads and, with a display, opens."""
    if not any(find_spec(name) for name in ("PyQt6", "PySide6", "PyQt5", "PySide2")):
        return Check("Qt", None, "no Qt binding is installed; only napari needs one", how_to_install("all"))
    worked, detail = probe(_QT if has_display() else _QT_BINDING)
    if not worked:
        return Check("Qt", False, detail, f"On Debian and Ubuntu: apt-get install {QT_LIBRARIES}")
    version = re.search(r"Qt (\d+)\.(\d+)", detail)
    if version and tuple(map(int, version.groups())) < OLDEST_QT:
        return Check("Qt", False, f"{detail}, which is too old for napari", "pip install --upgrade PyQt6")
    if "PySide6, Qt 6.12.0" in detail and sys.version_info < (3, 12):  # docs/upstream.md
        return Check("Qt", False, f"{detail}, which ends napari with Python 3.11", 'pip install "PySide6!=6.12.0"')
    return Check("Qt", True, detail)


def check_napari() -> Check:
    """Whether napari is installed and can be imported."""
    if find_spec("napari") is None:
        return Check("napari", None, "not installed; the command line does not need it", how_to_install("all"))
    worked, detail = probe(_NAPARI)
    return Check("napari", worked, detail, "" if worked else "pip install --upgrade napari")


def check_torch() -> Check:
    """Whether training can run."""
    if find_spec("torch") is None:
        return Check("torch", None, "not installed; only training and export need it", how_to_install("train"))
    worked, detail = probe(_TORCH)
    return Check("torch", worked, detail, "" if worked else "pip install --upgrade torch torchvision")


_DETECTRON2 = """
import detectron2, detectron2.modeling
print(json.dumps({"detail": f"detectron2 {detectron2.__version__}"}))
"""


def check_detectron2() -> Check:
    """Whether the models of detectron2 can run."""
    if not find_spec("detectron2"):
        return Check("detectron2", None, "not installed; only its own models need it", "docs/detectron2.md")
    worked, detail = probe(_DETECTRON2)
    return Check("detectron2", worked, detail, "" if worked else "Install what it asks for: docs/detectron2.md")


def check_clash() -> Check:
    """Two packages install the same folder onnxruntime/: the last one wins, and removing one breaks both."""
    owners = sorted(set(metadata.packages_distributions().get("onnxruntime", [])))
    if len(owners) < 2:
        return Check("ONNX Runtime package", True, owners[0] if owners else "none installed")
    again = f"pip uninstall -y {' '.join(owners)} && pip install onnxruntime"
    remedy = how_to_use_gpu() if "onnxruntime-gpu" in owners else again
    return Check("ONNX Runtime package", False, f"{' and '.join(owners)} overwrite each other", remedy)


def check_engine(engine: str, model: str, *, device: str = "cpu") -> Check:
    """Load a model on an engine and run it once."""
    package, title = PACKAGES[engine], f"engine {engine} on {device}"
    if find_spec(package) is None:
        install = (
            "pip install openvino" if engine == "openvino" else how_to_install({"torch": "train"}.get(engine, engine))
        )
        return Check(title, None, f"{package} is not installed", install)
    worked, detail = probe(_ENGINE.format(model=model, engine=engine, device=device))
    return Check(title, worked, detail, "" if worked else f"pip install --force-reinstall --no-deps {package}")


def check_auto(model: str) -> Check:
    """Which engine is taken where none is chosen, and why it is not the GPU if there is one that fails."""
    worked, detail = probe(_AUTO.format(model=model))
    remedy = "" if worked else "See the engines below; choose one that works with --engine."
    return Check("engine auto", worked, detail, remedy)


def check_cuda(model: str) -> Check:
    """Whether ONNX Runtime uses an NVIDIA GPU. Looks for the driver first, as ONNX Runtime prints errors without it."""
    title = "engine onnx on cuda"
    if not cuda_works():
        return Check(title, None, NO_DRIVER)
    if not is_installed("onnxruntime-gpu"):
        return Check(title, None, "an NVIDIA driver, but no onnxruntime-gpu", how_to_use_gpu())
    worked, detail = probe(_ENGINE.format(model=model, engine="onnx", device="cuda"))
    return Check(title, worked, detail, "" if worked else how_to_use_gpu())


def check_tensorrt(model: str) -> Check:
    """Whether ONNX Runtime uses TensorRT; the first time it builds its engines, which takes minutes."""
    title = "engine onnx on tensorrt"
    if not cuda_works():
        return Check(title, None, NO_DRIVER)
    if not is_installed("onnxruntime-gpu"):
        return Check(title, None, "an NVIDIA driver, but no onnxruntime-gpu", how_to_use_gpu())
    if not tensorrt_works():
        return Check(title, None, "TensorRT 10 cannot be loaded", 'pip install "tensorrt-cu13>=10.13.2.6,<11"')
    worked, detail = probe(_ENGINE.format(model=model, engine="onnx", device="tensorrt"), timeout_s=BUILD_TIMEOUT_S)
    return Check(title, worked, detail, "" if worked else 'pip install "tensorrt-cu13>=10.13.2.6,<11"')


def check_torch_cuda() -> Check:
    """Whether torch computes on an NVIDIA GPU."""
    title = "torch on cuda"
    if not cuda_works():
        return Check(title, None, NO_DRIVER)
    if find_spec("torch") is None:
        return Check(title, None, "torch is not installed", how_to_install("train"))
    worked, detail = probe(_TORCH_CUDA)
    remedy = "" if worked else "Install a torch made for CUDA (pytorch.org, Get Started), or a newer NVIDIA driver."
    return Check(title, worked, detail, remedy)


def check_export() -> Check:
    """Whether the packages with which models are exported can be imported."""
    missing = [name for name in ("torch", "onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        return Check("export", None, f"without {', '.join(missing)}", how_to_install("train"))
    worked, detail = probe(_EXPORT)
    return Check("export", worked, detail, "" if worked else "pip install --upgrade onnx onnxscript")


def check_compression() -> Check:
    """Whether the packages for some steps of a compression can be imported."""
    missing = {name: what for name, (module, what) in _COMPRESS.items() if find_spec(module) is None}
    if missing:
        detail = f"not installed: {'; '.join(f'{name}, for {what}' for name, what in missing.items())}"
        return Check("compression", None, detail, how_to_install("compress"))
    worked, detail = probe(_COMPRESSION)
    return Check("compression", worked, detail, "" if worked else f"pip install --upgrade {' '.join(_COMPRESS)}")
