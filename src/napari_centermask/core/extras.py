"""The command that adds an extra to this environment, and breaks nothing that is in it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_WITH_GPU = {"onnx": "gpu", "train": "gpu-train", "compress": "gpu-compress", "all": "gpu-all"}
"""The same extras with ONNX Runtime for NVIDIA GPUs, which the CPU's would overwrite: both install the folder onnxruntime/."""


def is_installed(package: str) -> bool:
    """Whether a package of this name is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def how_to_install(*extras: str) -> str:
    """The command, for example "pip install 'napari-centermask[train]'".

    Parameters
    ----------
    extras
        As in pyproject.toml, for the CPU. Where ONNX Runtime for GPUs is installed, those that would replace it become those that
        keep it.
    """
    if is_installed("onnxruntime-gpu"):
        extras = tuple(_WITH_GPU.get(name, name) for name in extras)
    return f"pip install 'napari-centermask[{','.join(dict.fromkeys(extras))}]'"


def how_to_use_gpu() -> str:
    """The commands after which ONNX Runtime can use an NVIDIA GPU here, and training still works if it did."""
    runtimes = [name for name in ("onnxruntime", "onnxruntime-gpu") if is_installed(name)]
    extra = "gpu-train" if is_installed("torch") else "gpu"
    remove = f"pip uninstall -y {' '.join(runtimes)} && " if "onnxruntime" in runtimes else ""
    return f"{remove}pip install 'napari-centermask[{extra}]'"
