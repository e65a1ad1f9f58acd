"""`quantise`: make an INT8 or 16-bit version of a model, calibrated on images like yours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_centermask.cli.compress import carry_out
from napari_centermask.cli.segment import Flag


def quantise(
    model: str,
    images: Path,
    /,
    *,
    name: str | None = None,
    out: Path | None = None,
    method: Literal["static", "nncf", "dynamic", "float16"] = "static",
    split: str | None = None,
    accepted: float = 0.01,
    keep_float: float | None = None,
    seven_bits: Flag = False,
    diameter: float | None = None,
    engine: Literal["openvino", "onnx"] = "openvino",
    most_images: int = 40,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Make a version of a model in fewer bits, and compare it with the model.

    For example:

      napari-centermask quantise nuclei my_images --name nuclei-int8

      napari-centermask quantise nuclei fields --split val --name nuclei-int8 --accepted 0.005

    Parameters
    ----------
    model
        Name of an installed model, or a model file.
    images
        Folder of images like those that you segment. With annotations (see --split) the AP is measured on them,
        without them how many of the model's cells are found again.
    name
        Install the result under this name.
    out
        Folder for the result; NAME or MODEL-METHOD when not given.
    method
        static: INT8 with ranges measured on the images, the fast one; nncf: the same by NNCF, which corrects biases; dynamic:
        INT8 with ranges found in each call, smaller but slower; float16: weights stored in 16 bits.
    split
        The folder has images/ and annotations_SPLIT.json, such as val.
    accepted
        Loss of AP50 that is accepted; layers stay float until it is reached.
    keep_float
        Fraction of the layers that stay float, instead of trying.
    seven_bits
        Weights of 7 bits, for processors without VNNI.
    diameter
        Cell diameter in pixels; estimated when not given.
    engine
        Engine to compare and time with.
    most_images
        Images at most to calibrate and to compare on.
    overwrite
        Replace an earlier result in the folder.
    json
        Print the table as JSON.
    """
    from napari_centermask.cli import settings_explained
    from napari_centermask.deploy.compress.plan import Plan, QuantiseStep

    with settings_explained():
        step = QuantiseStep(method=method, keep_float=keep_float, seven_bits=seven_bits)
        plan = Plan(
            model=model,
            out=out or Path(name or f"{Path(model).stem}-{method}"),
            steps=[step],
            data=images if split else None,
            split=split or "val",
            images=None if split else images,
            most_images=most_images,
            accepted=accepted,
            diameter=diameter,
            engine=engine,
            name=name,
        )
    return carry_out(plan, overwrite=overwrite, json=json, out="--out")
