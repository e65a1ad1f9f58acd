"""`benchmark`: how fast a model runs on this machine, by engine and stage; and which way is the fastest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cli.output import busy, check_writable, follow, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadSettings, CannotSave
from napari_centermask.io.whole_file import whole_file

if TYPE_CHECKING:
    import numpy as np

    from napari_centermask.deploy.pick import Picked

ENGINES = ("openvino", "onnx", "torch", "tensorrt")
_PART = 2048  # pixels: side of what --pick measures of a larger image


def benchmark(
    images: list[Path] | None = None,
    /,
    *,
    model: str = "nuclei",
    engines: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    batch: int | None = None,
    sizes: str | None = None,
    runs: int | None = None,
    diameter: float | None = None,
    score: float | None = None,
    axes: str | None = None,
    profile: Flag = False,
    pick: Flag = False,
    agreement: float | None = None,
    forget: Flag = False,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Measure latency, images/s, megapixels/s and peak memory of each engine, by stage; or pick the fastest for this computer.

    For example:

      napari-centermask benchmark

      napari-centermask benchmark field.tif --engines openvino,onnx,torch --sizes 0 --json

      napari-centermask benchmark field.tif --pick

      napari-centermask benchmark --profile --engines onnx --sizes 512

    Parameters
    ----------
    images
        Images to measure on; the included sample by default.
    model
        Name of an installed model, or a model file.
    engines
        Any of openvino, onnx, torch and tensorrt, separated by commas; openvino,onnx by default, all that are installed with
        --pick. They take turns within each round.
    device
        auto, cpu, cuda, cuda:1, tensorrt, coreml, directml, mps; several, as cuda:0,cuda:1, share the tiles.
    precision
        float32, bfloat16 or float16.
    batch
        Tiles that go through the network at once; by default 1 on a CPU and 4 on others.
    sizes
        Sides in pixels to crop or mirror the images to, separated by commas; 0 leaves them as they are. 512,1024 by default, 0
        with --pick.
    runs
        Number of timed rounds; medians are shown. By default 5, and 3 of each step with --pick.
    diameter
        Cell diameter in pixels; the model's own by default, with --pick estimated from each image.
    score
        Cells below this score are left out.
    axes
        What the axes of the images are, a letter for each (C, Y, X): YXC; as their files say when not given.
    profile
        Show the slowest operators by layer instead, from the profiles of ONNX Runtime and OpenVINO on a CPU in float32.
    pick
        Measure engines, devices, precisions, threads and batches on the images, and remember the fastest: the engine auto then
        uses it for this model on this computer.
    agreement
        Least agreement with the cells of float32, F1 at IoU 0.9, of what --pick chooses; 0.98 by default.
    forget
        Forget what --pick remembered for the model.
    out
        JSON file to write.
    json
        Print JSON instead of a table.
    """
    from napari_centermask.cli import settings_explained
    from napari_centermask.cli.demo import sample_image
    from napari_centermask.deploy.benchmark import fill
    from napari_centermask.io.images import read_plane
    from napari_centermask.models.store.zoo import list_models
    from napari_centermask.settings import SegmentSettings

    if forget:
        if pick or profile:
            raise BadSettings("--forget measures nothing. Leave out --pick and --profile.")
        return _forget(model)
    names = None if engines is None else [e.strip() for e in engines.split(",") if e.strip()]
    if names is not None and (not names or set(names) - set(ENGINES)):
        raise BadSettings(f"--engines must list any of {', '.join(ENGINES)}, not '{engines}'.")
    _check_flags(pick, agreement=agreement, device=device != "auto", precision=precision != "float32", batch=batch)
    for path in images or ():
        if not path.exists() and str(path) in {model.name for model in list_models()}:
            raise BadSettings(f"{path} is a model, not an image. Name it with --model {path}.")
    check_writable([out], inputs=images or ())
    arrays = [read_plane(path, axes=axes) for path in images or [sample_image()]]
    arrays = [fill(a, side) if side else a for a in arrays for side in _sides(sizes or ("0" if pick else "512,1024"))]
    given = {"diameter": diameter, "score": score}
    with settings_explained():
        SegmentSettings(**{name: value for name, value in given.items() if value is not None})
    if profile:
        if pick:
            raise BadSettings("--pick has no effect with --profile. Leave one of them out.")
        _check_flags_of_profile(device=device != "auto", precision=precision != "float32", batch=batch, score=score)
        report, table = _profile(model, arrays, names or ["openvino", "onnx"], 5 if runs is None else runs, diameter)
    elif pick:
        report, table = _pick(model, arrays, names, 3 if runs is None else runs, agreement, given)
    else:
        options = {"device": device, "precision": precision, "batch": batch, "runs": 5 if runs is None else runs}
        report, table = _measure(model, arrays, names or ["openvino", "onnx"], options | given)
    if out:
        import json as json_module

        with whole_file(out) as part:
            part.write_text(json_module.dumps(report, indent=1), encoding="utf-8")
    if json:
        print_json(report)
    else:
        print(table)
    return 0


def _check_flags(pick: bool, *, agreement: float | None, **chosen: object) -> None:
    """Refuse flags without effect."""
    if agreement is not None and not pick:
        raise BadSettings("--agreement has an effect only with --pick. Leave it out.")
    if agreement is not None and not 0 <= agreement <= 1:
        raise BadSettings(f"--agreement must lie between 0 and 1, such as 0.98, not {agreement:g}.")
    for name, value in chosen.items():
        if pick and value:
            raise BadSettings(f"--{name} has no effect with --pick, which tries all of them. Leave it out.")


def _check_flags_of_profile(**chosen: object) -> None:
    """Refuse flags without effect."""
    for name, value in chosen.items():
        if value:
            raise BadSettings(f"--{name} has no effect with --profile, which runs on the CPU in float32. Leave it out.")


def _profile(
    model: str, arrays: list[np.ndarray], names: list[str], runs: int, diameter: float | None
) -> tuple[dict[str, Any], str]:
    """The slowest operators of each engine on each image."""
    from dataclasses import asdict

    from napari_centermask.deploy.benchmark import machine
    from napari_centermask.deploy.profile import format_operators, profile
    from napari_centermask.models.store.zoo import find_model

    files, found, tables = find_model(model), [], []
    for array in arrays:
        for name in names:
            with busy(f"Profiling {model} on {name}"):
                rows = profile(files, array, engine=name, runs=runs, diameter=diameter)
            size = list(array.shape[1:])
            found.append({"engine": name, "size": size, "operators": [asdict(row) for row in rows]})
            tables.append(f"{name}, {size[0]} x {size[1]}\n{format_operators(rows)}")
    return {"machine": machine(), "profiles": found}, "\n\n".join(tables)


def _forget(model: str) -> int:
    from napari_centermask.engines.fastest import forget
    from napari_centermask.models.store.zoo import find_model

    files = find_model(model)
    was = forget(files)
    notice(
        f"The engine auto uses the usual engine for '{files.name}'{' again' if was else ': nothing was remembered'}."
    )
    return 0


def _measure(model: str, arrays: list[np.ndarray], names: list[str], options: Any) -> tuple[dict[str, Any], str]:
    from napari_centermask.deploy import benchmark as measure

    with busy(f"Measuring {model}"):
        rows = list(measure.benchmark(model, arrays, engines=names, **options))
    return measure.as_json(rows), measure.format_rows(rows)


def _pick(
    model: str,
    arrays: list[np.ndarray],
    names: list[str] | None,
    runs: int,
    agreement: float | None,
    given: dict[str, Any],
) -> tuple[dict[str, Any], str]:
    """Measure, remember and report."""
    from dataclasses import asdict

    from napari_centermask.deploy import pick as picking
    from napari_centermask.deploy.benchmark import machine
    from napari_centermask.engines.fastest import AGREEMENT, file_of, remember
    from napari_centermask.models.store.zoo import find_model
    from napari_centermask.settings import SegmentSettings

    least = AGREEMENT if agreement is None else agreement
    files = find_model(model)
    check_writable([file_of(files)])
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = SegmentSettings(**chosen)
    parts = [array[:, :_PART, :_PART] for array in arrays]
    picked = follow(picking.pick(files, parts, settings, engines=names, runs=runs, agreement=least), "Measuring")
    try:
        remember(files, picked.rows, least)
        outcome = _outcome(files.name, picked, least)
    except CannotSave as error:  # what took minutes to measure is shown all the same
        outcome = f"The engine auto stays as it is. {error}"
    report = {
        "machine": machine(),
        "rows": [asdict(row) for row in picked.rows],
        "left_out": list(picked.left_out),
        "chosen": None if picked.chosen is None else asdict(picked.chosen),
        "agreement": least,
        "outcome": outcome,
    }
    return report, f"{picking.format_picked(picked)}\n{outcome}"


def _outcome(model: str, picked: Picked, least: float) -> str:
    """What the engine auto uses from now on."""
    from napari_centermask.engines.devices import IN_NAPARI
    from napari_centermask.engines.fastest import choose

    if picked.chosen is None:
        return (
            f"None agrees with float32 at {least:g} or more, so the engine auto uses the usual engine for '{model}'. "
            "Choose a lower --agreement."
        )
    best, inside = picked.chosen, choose([row for row in picked.rows if row.runtime.engine in IN_NAPARI], least)
    other = "" if inside in (None, best) else f"; inside napari, {inside.runtime}"
    return (
        f"The engine auto now uses {best.runtime} for '{model}' on this computer{other}. "
        f"Undo: benchmark --forget --model {model}"
    )


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
