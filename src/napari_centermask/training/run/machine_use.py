"""How busy the machine is: its CPUs, and an NVIDIA GPU if it has one. Needs no torch."""

from __future__ import annotations

import subprocess

_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
_PATIENCE_S = 5.0


def machine_use() -> dict[str, float]:
    """`cpu_percent` since the last call, of all cores, and `gpu_percent` now, the mean of all GPUs; both in [0, 100]."""
    import psutil

    use = {"cpu_percent": psutil.cpu_percent()}
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=_PATIENCE_S, check=True).stdout
        values = [float(line) for line in answer.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError, ValueError):  # no GPU, or one that does not say
        return use
    return use | ({"gpu_percent": sum(values) / len(values)} if values else {})
