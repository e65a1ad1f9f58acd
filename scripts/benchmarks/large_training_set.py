"""Train on a set larger than memory, and compare the tiles per second with the same set in memory.

    python scripts/benchmarks/large_training_set.py --data ../shared/data/dsb2018_fluo --gb 20

Repeats the annotated images of a folder, each time mirrored or turned in another way and with other noise, as uncompressed
16-bit TIFFs of at least 2048 pixels a side (mosaics), until they take `--gb` decoded. Then a run of some steps is made on them
in a process of its own, whose memory is read every 0.2 s, with all its child processes: without the pages of files that the
system can drop (`Pss_Anon`), and with them (`Pss`). With `--small`, it compares instead the
tiles per second of the folder itself from files and from memory, in one process, alternating, the median of five.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.loader import read_split, tiles_of

SIDE = 2048
VAL = 2


def mosaic(samples: list, rng: np.random.Generator) -> tuple[np.ndarray, Instances]:
    """Images side by side, turned at random, in (SIDE, SIDE) uint16, and their cells."""
    image = np.zeros((SIDE, SIDE), np.uint16)
    cells = Instances((SIDE, SIDE), categories={1: "nucleus"})
    y = 0
    while y < SIDE:
        x, row = 0, 0
        while x < SIDE:
            sample = samples[int(rng.integers(len(samples)))]
            plane, flip = np.asarray(sample.image)[0], bool(rng.random() < 0.5)
            height, width = min(plane.shape[0], SIDE - y), min(plane.shape[1], SIDE - x)
            plane = (plane[:, ::-1] if flip else plane).astype(np.float32) * 100 + rng.normal(0, 20, plane.shape)
            image[y : y + height, x : x + width] = np.clip(plane[:height, :width], 0, 65535)
            for cell in sample.cells:
                y0, x0, y1, x1 = cell.box
                if flip:
                    x0, x1 = sample.image.shape[2] - x1, sample.image.shape[2] - x0
                if y1 <= height and x1 <= width:
                    mask = cell.mask[:, ::-1] if flip else cell.mask
                    cells.add(Instance(0, y0 + y, x0 + x, np.ascontiguousarray(mask), category=1))
            x, row = x + plane.shape[1], max(row, plane.shape[0])
        y += row
    return image, cells


def make(folder: Path, source: Path, gb: float) -> int:
    """Write the set; returns the number of its images."""
    samples, rng = list(read_split(source, "train")), np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    count = max(1, round(gb * 1e9 / (SIDE * SIDE * 2)))
    kept = [mosaic(samples, rng) for _ in range(8)]  # their cells repeat; the pixels differ by noise
    records: dict[str, list[ImageRecord]] = {"train": [], "val": []}
    for n in range(count + VAL):
        image, cells = kept[n % len(kept)]
        name = f"{n:05d}.tif"
        tifffile.imwrite(folder / "images" / name, image + rng.integers(0, 30, image.shape, dtype=np.uint16))
        records["train" if n < count else "val"].append(ImageRecord(n + 1, name, None, cells.shape, cells))
    for split, some in records.items():
        write_coco(folder / f"annotations_{split}.json", some)
    return count


def memory(process: psutil.Process) -> tuple[float, float]:
    """MB of a process and its children, without and with the pages of files; a page that several share counts once."""
    own = whole = 0.0
    for p in (process, *process.children(recursive=True)):
        try:
            lines = Path(f"/proc/{p.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kb = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.startswith("Pss")}
        own += kb.get("Pss_Anon", 0) / 1024
        whole += kb.get("Pss", 0) / 1024
    return own, whole


def run(data: Path, out: Path, steps: int, start: str) -> dict[str, float]:
    """Train in a process of its own, and watch its memory."""
    settings = TrainSettings(
        data=[data], out=out, start=start, steps=steps, batch=4, tile=192, evaluate_every=steps, workers=1
    )
    file = out.parent / "run.json"
    file.write_text(settings.model_dump_json(exclude_unset=True))
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "napari_centermask", "train", str(file)], stdout=sys.stderr)
    watched, most = psutil.Process(child.pid), (0.0, 0.0)
    while child.poll() is None:
        most = tuple(map(max, most, memory(watched)))  # type: ignore[assignment]
        time.sleep(0.2)
    if child.returncode:
        raise SystemExit(f"The run failed with {child.returncode}.")
    return {
        "without_files_mb": round(most[0]),
        "with_files_mb": round(most[1]),
        "seconds": round(time.monotonic() - began),
    }


def small(data: Path, out: Path) -> dict[str, float]:
    """Tiles per second of a folder from memory and from files."""
    card = find_model("nuclei").card
    seconds: dict[float, list[float]] = {}
    samplers = {}
    for mb in (1000.0, 0.0):
        settings = TrainSettings(
            data=[data], out=out, model=card.model, tile=192, diameter=20.0, images_in_memory_mb=mb
        )
        samplers[mb] = tiles_of(settings)
    for repeat in range(5):
        for mb, tiles in samplers.items():
            began = time.process_time()
            for number in range(100):
                tiles[100 * repeat + number]
            seconds.setdefault(mb, []).append(time.process_time() - began)
    memory_s, files_s = (statistics.median(seconds[mb]) for mb in (1000.0, 0.0))
    return {"ms_per_tile_memory": 10 * memory_s, "ms_per_tile_files": 10 * files_s, "ratio": memory_s / files_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--gb", type=float, default=20)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--start", default="cells")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--tmp", type=Path, help="Where the set is written; it needs twice its size.")
    arguments = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=arguments.tmp))
    try:
        result: dict = {"machine": machine()}
        if arguments.small:
            result |= small(arguments.data, place / "run")
        else:
            result["images"] = make(place / "data", arguments.data, arguments.gb)
            result |= run(place / "data", place / "run", arguments.steps, arguments.start)
        print(json.dumps(result, indent=1))
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
