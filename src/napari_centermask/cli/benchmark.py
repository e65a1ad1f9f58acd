"""`benchmark`: how fast a model runs on this machine, by engine and stage."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.cli.output import busy, check_writable, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadSettings
from napari_centermask.io.whole_file import whole_file

ENGINES = ("openvino", "onnx", "torch")


def benchmark(
    images: list[Path] | None = None,
    /,
    *,
    model: str = "nuclei",
    engines: str = "openvino,onnx",
    device: str = "auto",
    sizes: str = "512,1024",
    runs: int = 5,
    diameter: float | None = None,
    score: float | None = None,
    axes: str | None = None,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Measure latency, images/s, megapixels/s and peak memory of each engine, by stage.

    For example:

      napari-centermask benchmark

      napari-centermask benchmark field.tif --engines openvino,onnx,torch --sizes 0 --json

    Parameters
    ----------
    images
        Images to measure on; the included sample by default.
    model
        Name of an installed model, or a model file.
    engines
        Any of openvino, onnx and torch, separated by commas. They take turns within each round.
    device
        auto, cpu, cuda, cuda:1.
    sizes
        Sides in pixels to crop or mirror the images to, separated by commas; 0 leaves them as they are.
    runs
        Number of timed rounds; medians are shown.
    diameter
        Cell diameter in pixels; the model's own by default.
    score
        Cells below this score are left out.
    axes
        What the axes of the images are, a letter for each (C, Y, X): YXC; as their files say when not given.
    out
        JSON file to write.
    json
        Print JSON instead of a table.
    """
    names = [e.strip() for e in engines.split(",") if e.strip()]
    if not names or set(names) - set(ENGINES):
        raise BadSettings(f"--engines must list any of {', '.join(ENGINES)}, not '{engines}'.")
    check_writable([out], inputs=images or ())
    from napari_centermask.cli.demo import sample_image
    from napari_centermask.deploy import benchmark as measure
    from napari_centermask.io.images import read_plane

    arrays = [read_plane(path, axes=axes) for path in images or [sample_image()]]
    arrays = [measure.fill(a, side) if side else a for a in arrays for side in _sides(sizes)]
    with busy(f"Measuring {model}"):
        rows = list(
            measure.benchmark(model, arrays, engines=names, device=device, runs=runs, diameter=diameter, score=score)
        )
    report = measure.as_json(rows)
    if out:
        import json as json_module

        with whole_file(out) as part:
            part.write_text(json_module.dumps(report, indent=1), encoding="utf-8")
    if json:
        print_json(report)
    else:
        print(measure.format_rows(rows))
    return 0


def _sides(text: str) -> list[int]:
    try:
        sides = [int(s) for s in text.split(",") if s.strip()]
    except ValueError:
        sides = []
    if not sides or not all(0 <= s <= 32_768 for s in sides):
        raise BadSettings(
            f"--sizes must be whole numbers of pixels separated by commas, such as 512,1024, not '{text}'."
        )
    return sides
