"""How long `napari-centermask convert` takes for many cells, beside another version of the package.

    python scripts/benchmarks/conversion.py --cells 90000 --before ../former/src --repeats 3

COCO is converted to every other format and back; with `--kinds all`, other kinds of files too (`conversion_kinds.py`). Both
versions convert the same files by turns, each time in a process of its own. Seconds are of the processor, with the start of
Python and imports; "start" is the same command for two cells. What the two write is compared to the byte (of a zip, what is in
it). A version that takes longer than `--limit` seconds is stopped.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from conversion_kinds import KINDS

SIDE = 26
OTHERS = ("labels", "cellpose", "geojson", "imagej", "ome-zarr")


def result_with(n: int, name: str):
    """Cells of random outline on a grid, some 350 pixels each; every eighth has a hole."""
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.core.result import Result

    rng, per_row = np.random.default_rng(n), int(np.ceil(np.sqrt(n)))
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    cells = []
    for k in range(n):
        radius = 9.5 + 2 * np.cos(2 * angle + rng.uniform(0, 6)) + np.cos(5 * angle + rng.uniform(0, 6))
        mask = distance < radius
        mask[11:14, 11:14] &= k % 8 > 0
        at = SIDE * (k // per_row), SIDE * (k % per_row)
        cells.append(Instance.from_mask(mask, at, id=k + 1, score=float(rng.random()), source="benchmark"))
    result = Result((SIDE * per_row,) * 2, name=name)
    result.put((), Instances(result.shape, cells), keep_ids=True)
    return result


def prepare(folder: Path, n: int, n_images: int, formats: list[str]) -> dict[str, Path]:
    """The same cells as COCO and in other formats."""
    from napari_centermask.io.formats import FORMATS
    from napari_centermask.io.formats.files import write_files

    results = [result_with(n // n_images, f"field{k:02d}.tif") for k in range(n_images)]
    sources = {}
    for name in ("coco", *formats):
        given = folder / name / ("a.json" if name == "coco" else "")
        written = write_files(given, results, FORMATS[name])
        sources[name] = written[0] if n_images == 1 else given
    return sources


def seconds(package: Path | None, source: Path, target: Path, given: str, wanted: str, limit: int) -> float:
    """Of the processor, of one command; the target is written anew. Infinite if it was stopped at the limit."""
    if target.is_dir():
        shutil.rmtree(target)
    command = [
        sys.executable,
        "-m",
        "napari_centermask",
        "convert",
        str(source),
        str(target),
        "--from",
        given,
        "--to",
        wanted,
    ]
    path = {"PYTHONPATH": str(package)} if package is not None else {}
    before = _used()
    stopped = partial(resource.setrlimit, resource.RLIMIT_CPU, (limit, limit))
    done = subprocess.run([*command, "--overwrite"], env=os.environ | path, capture_output=True, preexec_fn=stopped)
    if done.returncode not in (0, -signal.SIGKILL, -signal.SIGXCPU):
        raise SystemExit(done.stderr.decode())
    return _used() - before if done.returncode == 0 else math.inf


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def content(target: Path) -> dict[str, bytes]:
    """All that was written, by name."""
    found = {}
    for path in sorted(p for p in [target, *target.rglob("*")] if p.is_file()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
        else:
            found[str(path.relative_to(target.parent))] = path.read_bytes()
    return found


def row(title: str, source: Path, folder: Path, given: str, wanted: str, arguments: argparse.Namespace) -> str:
    """A line of the table."""
    before = arguments.before
    versions = {"now": None} | ({"before": before.resolve()} if before else {})
    times: dict[str, list[float]] = {version: [] for version in versions}
    targets = {v: folder / f"{v}.json" if wanted == "coco" else folder / v for v in versions}
    for _ in range(arguments.repeats):
        for version, package in versions.items():
            limit = max(1, round(arguments.limit))
            times[version].append(seconds(package, source, targets[version], given, wanted, limit))
    median = {version: statistics.median(values) for version, values in times.items()}
    text = f"| {title} to {wanted} | {median['now']:.2f} |"
    if before:
        written = [[*content(targets[v]).values()] for v in versions]
        ratios = sorted(b / n for n, b in zip(times["now"], times["before"], strict=True))
        text += (
            f" {median['before']:.2f} | {median['before'] / median['now']:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |"
        )
        text += f" {written[0] == written[1]} |"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=90_000)
    parser.add_argument("--images", type=int, default=1, help="how many images the cells are in")
    parser.add_argument("--before", type=Path, help="folder `src` of an earlier version")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--formats", default=",".join(OTHERS), help="beside COCO; empty for none")
    parser.add_argument(
        "--kinds", default="", help="of other files, by the beginning of their titles: all, or polygons,two"
    )
    parser.add_argument(
        "--limit", type=float, default=300, help="seconds of the processor after which a version is stopped"
    )
    arguments = parser.parse_args()
    print("| conversion | s | before, s | times as fast | same bytes |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder, few = Path(name), Path(name) / "few"
        few.mkdir()
        small = prepare(few, 2, 1, ["labels"])
        print("start:", row("labels", small["labels"], few, "labels", "coco", arguments), flush=True)
        formats = [f for f in arguments.formats.split(",") if f]
        sources = prepare(folder, arguments.cells, arguments.images, formats)
        for other in formats:
            for given, wanted in (("coco", other), (other, "coco")):
                print(row(given, sources[given], folder, given, wanted, arguments), flush=True)
        starts = tuple(KINDS if arguments.kinds == "all" else filter(None, arguments.kinds.split(",")))
        for title, (given, make, targets) in KINDS.items():
            if title.startswith(starts):
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    source = make(Path(own), arguments.cells)
                    for wanted in targets:
                        print(row(title, source, folder, given, wanted, arguments), flush=True)


if __name__ == "__main__":
    main()
