"""`doctor`: check what is installed and what works, and say how to repair what does not."""

from __future__ import annotations

import importlib.metadata as metadata
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

from napari_centermask import __version__
from napari_centermask.cli import probes
from napari_centermask.cli.output import print_json
from napari_centermask.cli.probes import Check
from napari_centermask.cli.roads import roads
from napari_centermask.cli.segment import Flag
from napari_centermask.models.store import zoo

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-image",
    "openvino",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnx",
    "onnxscript",
    "tensorrt-cu13",
    "torch",
    "torchvision",
    "detectron2",
    "nncf",
    "torch-pruning",
    "napari",
    "npe2",
    "qtpy",
    "PyQt6",
    "PySide6",
    "PyQt5",
    "magicgui",
    "pycocotools",
    "tifffile",
    "safetensors",
    "pydantic",
    "cyclopts",
)
MARKS = {True: "ok", False: "BAD", None: "-"}


def doctor(*, json: Flag = False) -> int:
    """Check what is installed and which engines and devices work, and say how to repair what does not.

    Each library is tried in a process of its own, so that one that cannot load does not affect the others.
    The exit code is 2 if images cannot be segmented.

    For example:

      napari-centermask doctor

      napari-centermask doctor --json

    Parameters
    ----------
    json
        Print JSON.
    """
    report = examine()
    if json:
        print_json(report)
    else:
        _show(report)
    return 0 if report["can_segment"] else 2


def examine() -> dict[str, Any]:
    """All findings: system, versions, checks, and whether images can be segmented."""
    models, model = _check_models()
    tasks: list[Callable[[], Check]] = [probes.check_clash, probes.check_qt, probes.check_napari, probes.check_torch]
    if model:
        tasks.append(partial(probes.check_auto, model))
        tasks += [partial(probes.check_engine, e, model) for e in ("openvino", "onnx", "torch")]
        tasks += [partial(probes.check_cuda, model), partial(probes.check_tensorrt, model)]
    tasks += [probes.check_torch_cuda, probes.check_export, probes.check_compression, probes.check_detectron2]
    with ThreadPoolExecutor(2) as pool:
        checks = [*models, *pool.map(lambda task: task(), tasks)]
    return {
        "napari_centermask": __version__,
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "system": platform.platform(),
        "models_folder": str(zoo.user_folder()),
        "packages": _versions(),
        "checks": [asdict(c) for c in checks],
        "roads": [asdict(road) for road in roads(checks)],
        "can_segment": any(c.ok for c in checks if c.name.startswith("engine")),
    }


def _check_models() -> tuple[list[Check], str | None]:
    """Findings about the models, and a model to try the engines with: a small, included one where possible."""
    good = zoo.list_models()
    names = ", ".join(m.name for m in good)
    remedy = "" if good else "Reinstall napari-centermask, or add a model: napari-centermask models add FILE"
    checks = [Check("models", bool(good), names or "none", remedy)]
    checks += [Check("model", False, str(e), "Delete its folder or add the model again.") for e in zoo.broken_models()]
    return checks, good[0].name if good else None


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _show(report: dict[str, Any]) -> None:
    print(f"napari-centermask {report['napari_centermask']}, Python {report['python']}, {report['system']}")
    print(f"{report['executable']}\nyour models: {report['models_folder']}\n")
    print(", ".join(f"{k} {v}" for k, v in report["packages"].items()) + "\n")
    for check in report["checks"]:
        print(f"{MARKS[check['ok']]:<4} {check['name']:<24} {check['detail']}")
        if check["remedy"]:
            print(f"     {'':<24} -> {check['remedy']}")
    print("\nWhat can be done here")
    for road in report["roads"]:
        print(f"{'yes' if road['is_open'] else 'no':<4} {road['task']:<8} {road['device']:<9} {road['detail']}")
        if road["remedy"]:
            print(f"     {'':<18} -> {road['remedy']}")
    print(
        "\nImages can be segmented."
        if report["can_segment"]
        else "\nImages cannot be segmented; see the lines marked ->."
    )
