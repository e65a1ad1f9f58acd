"""Export a CenterMask with each backbone, and the other families, with random weights: do the graphs compute what torch computes?

    python scripts/benchmarks/exports.py --out FOLDER

Prints a row for each network: parameters, size of the graphs, the largest difference of an output between torch and ONNX
Runtime as a part of what is allowed for that output (`Parity.tolerance`), and the seconds of the export with its
comparison. Networks with random weights find no cells, so cells cannot be compared.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from napari_centermask.core.errors import UserError
from napari_centermask.deploy.export import export
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.smp import CLASSES
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.reference import BACKBONES
from napari_centermask.settings import MaskRCNNSettings, ModelSettings, NetworkSettings, UNetSettings


def forms() -> dict[str, NetworkSettings]:
    """The networks by what they are called in the table."""
    made: dict[str, NetworkSettings] = {f"CenterMask, {name}": ModelSettings(backbone=name) for name in BACKBONES}
    made["CenterMask, V-39-eSE, the reference's widths"] = ModelSettings(
        backbone="V-39-eSE", fpn_channels=256, head_convs=4
    )
    for architecture in ("plain", *CLASSES):
        made[f"U-Net, {architecture}"] = UNetSettings(architecture=architecture)
    made["Mask R-CNN, R-50"] = MaskRCNNSettings()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="Networks with this in their name.")
    arguments = parser.parse_args()
    print(
        "| network | parameters, M | graphs, MB | part of the allowed difference | opset | seconds |\n|---|---|---|---|---|---|"
    )
    for name, form in forms().items():
        if arguments.only not in name:
            continue
        torch.manual_seed(0)
        network = build_model(form).eval()
        parameters = sum(p.numel() for p in network.parameters()) / 1e6
        folder = arguments.out / name.replace(" ", "-").replace(",", "")
        start = time.perf_counter()
        try:
            parity = export(network, ModelCard(name="network", licence="-", model=form, diameter=40.0), folder)
        except UserError as error:
            print(f"| {name} | {parameters:.1f} | - | {error} | - | - |", flush=True)
            continue
        worst = max(d / parity.tolerance(output) for output, d in parity.differences.items())
        size = sum(path.stat().st_size for path in folder.glob("*.onnx")) / 1e6
        seconds = time.perf_counter() - start
        print(f"| {name} | {parameters:.1f} | {size:.1f} | {worst:.3f} | {parity.opset} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
