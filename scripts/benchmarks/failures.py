"""Injected failures: whatever happens to a training run or the program that watches it, the run continues or explains itself.

    python scripts/benchmarks/failures.py --n 50 --json failures.json

One run of a tiny network is made to fail again and again: kill -9 of the training, kill -9 of the program that watches it, a
full disk, lack of memory, a damaged checkpoint, a missing data folder. After each failure, the annotations must be identical,
the failure must be explained, and the run must continue from where it was. Linux only (limits, /dev/full).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.events import CheckpointEvent, NoticeEvent, StartEvent
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs.process import Job, find_jobs
from napari_centermask.settings import ModelSettings, TrainSettings

PATIENCE_S = 300.0
TINY = {
    "backbone": "V-19-slim-dw-eSE", "fpn_channels": 32, "mask_channels": 16, "maskiou_channels": 16, "maskiou_fc": 16,
    "top_levels": 0, "in_channels": 1, "ese": False, "head_norm": "none", "roi_levels": "area",
}  # fmt: skip
WATCHER = """
import sys, time
from pathlib import Path
from napari_centermask.jobs.process import Job
job = Job.open(Path(sys.argv[1]))
job.resume()
print("started", flush=True)
while True:
    job.poll()
    time.sleep(0.05)
"""


def make_data(folder: Path, seed: int) -> TrainSettings:
    """A data folder of two small images, and a run on it that would take hours."""
    rng = np.random.default_rng(seed)
    (folder / "data" / "images").mkdir(parents=True)
    yy, xx = np.mgrid[:96, :96]
    for split in ("train", "val"):
        cells, image = Instances((96, 96)), np.full((96, 96), 20, np.uint8)
        for cy, cx in [(20, 20), (20, 70), (70, 30), (72, 74)]:
            mask = (yy - cy) ** 2 + (xx - cx) ** 2 < rng.uniform(8, 13) ** 2
            image[mask] = 200
            cells.add(Instance.from_mask(mask, status="corrected"))
        Image.fromarray(image).save(folder / "data" / "images" / f"{split}.png")
        record = ImageRecord(1, f"{split}.png", None, (96, 96), cells)
        write_coco(folder / "data" / f"annotations_{split}.json", [record])
    values = {
        "tile": 64,
        "batch": 4,
        "steps": 1_000_000,
        "warmup": 1,
        "diameter": 20,
        "workers": 0,
        "evaluate_every": 10,
    }
    model = ModelSettings(**TINY)
    return TrainSettings(
        data=[folder / "data"], out=folder / "runs" / "run", model=model, device="cpu", amp="off", **values
    )


class Patient:
    """The run that fails, and what must hold after each failure."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.settings = make_data(folder, seed)
        self.data = self.settings.data[0]
        self.before = self.fingerprint()
        self.job = Job.start(self.settings)

    def fingerprint(self) -> str:
        """Hash of all that a person drew."""
        files = sorted(p for p in self.data.rglob("*") if p.is_file())
        return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Poll until a condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.job.poll()
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: state {self.job.state}, {self.job.failure}, {self.job.events()[-3:]}")
            time.sleep(0.05)
        self.job.poll()

    def wait_for_progress(self) -> None:
        """Until the present process has made steps and saved its state."""
        self.wait(lambda: self.job.state == "running" and self.has_saved(), "no progress")

    def has_saved(self) -> bool:
        """Whether the present process has saved its state."""
        kinds = [e.event for e in self.job._session_events()]
        return "checkpoint" in kinds

    def step(self) -> int:
        """The last step that was saved."""
        return (self.job.last(CheckpointEvent) or CheckpointEvent()).step

    # The failures: each ends with a dead job, or with one that continues, and returns the message.

    def kill_training(self) -> str:
        """kill -9 at a random moment, also while it saves."""
        time.sleep(self.random.uniform(0, 1.0))
        self.job.kill()
        return self.explained()

    def kill_at_start(self) -> str:
        """kill -9 while it starts."""
        self.job.kill()
        self.job.resume()
        time.sleep(self.random.uniform(0, 3.0))
        self.job.kill()
        return self.explained()

    def kill_watcher(self) -> str:
        """kill -9 of the program that watches; the training continues and is found again."""
        self.job.kill()
        watcher = subprocess.Popen([sys.executable, "-c", WATCHER, str(self.job.folder)], stdout=subprocess.PIPE)
        watcher.stdout.readline()
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()
        (self.job,) = find_jobs(self.job.folder.parent)
        if not self.job.is_alive:
            raise AssertionError("the training died with the program that watched it")
        return "went on"

    def fill_disk(self) -> str:
        """The next checkpoint meets a full disk."""
        pid = json.loads((self.job.folder / "job.json").read_text())["pid"]
        part = self.job.folder / f".last.pt.{pid}.part"  # as `io.whole_file` names it
        while self.job.is_alive:
            try:
                os.symlink("/dev/full", part)
            except FileExistsError:
                time.sleep(0.01)
                continue
            break
        self.wait(lambda: not self.job.is_alive, "the full disk was not noticed")
        part.unlink(missing_ok=True)
        return self.explained("disk")

    def exhaust_memory(self) -> str:
        """Tiles and batches for which the memory does not suffice, not even for half of them."""
        self.job.kill()
        self.job.retry(batch=64, tile=1024)
        self.wait(lambda: self.job.state == "running" or not self.job.is_alive, "did not start")
        if self.job.is_alive:
            process = psutil.Process(self.job._record["pid"])
            room = process.memory_info().vms + 200_000_000
            process.rlimit(psutil.RLIMIT_AS, (room, room))
        self.wait(lambda: not self.job.is_alive, "memory sufficed")
        said = self.explained("memory")
        if self.job.failure.remedy.get("batch", 64) >= 64 and "nothing fits" not in said:
            raise AssertionError(f"expected smaller batches as a remedy, or that none fits, got {self.job.failure}")
        return said

    def damage_checkpoint(self) -> str:
        """The newest state is cut short or overwritten; the one before is used."""
        self.job.kill()
        path = self.job.folder / "last.pt"
        content = path.read_bytes()
        cut = self.random.randrange(len(content))
        path.write_bytes(self.random.choice([content[:cut], os.urandom(len(content)), b""]))
        self.job.resume()
        self.wait(lambda: self.job.state == "running" or not self.job.is_alive, "did not start")
        self.wait(lambda: self.job.last(NoticeEvent) or not self.job.is_alive, "nothing was said")
        return (self.job.last(NoticeEvent) or NoticeEvent(message=self.explained())).message

    def unplug_data(self) -> str:
        """The data folder is missing when the run continues, and comes back."""
        self.job.kill()
        away = self.data.with_name("unplugged")
        self.data.rename(away)
        self.job.resume()
        self.wait(lambda: not self.job.is_alive, "missing data were not noticed")
        away.rename(self.data)
        return self.explained()

    def explained(self, reason: str | None = None) -> str:
        """What the job says about its end."""
        self.job.poll()
        failure = self.job.failure
        if failure is None or len(failure.message) < 20:
            raise AssertionError(f"a failure without words: {failure}")
        if reason is not None and failure.reason != reason:
            raise AssertionError(f"expected the reason {reason!r}, got {failure}")
        return failure.message

    def recover(self) -> None:
        """Go on, and see that nothing was lost."""
        if self.fingerprint() != self.before:
            raise AssertionError("annotations changed")
        saved = self.step()
        if not self.job.is_alive:
            self.job.retry(batch=4, tile=64)
        self.wait_for_progress()
        start = (self.job.last(StartEvent) or StartEvent()).step
        if start < saved - 2 * self.settings.evaluate_every:
            raise AssertionError(f"went on from step {start}, {saved} was saved")


FAILURES = (
    "kill_training",
    "kill_watcher",
    "fill_disk",
    "damage_checkpoint",
    "unplug_data",
    "kill_at_start",
    "exhaust_memory",
)


def run(folder: Path, n: int, *, seed: int = 0, report: Callable[[list[dict]], None] = lambda rows: None) -> list[dict]:
    """Make a run fail `n` times; returns a row for each failure."""
    patient = Patient(folder, seed)
    rows: list[dict] = []
    try:
        patient.wait_for_progress()
        for number in range(n):
            kind = FAILURES[number % len(FAILURES)]
            start = time.monotonic()
            row = {"number": number, "failure": kind, "step": patient.step()}
            try:
                row |= {"message": getattr(patient, kind)(), "survived": True}
                patient.recover()
            except (AssertionError, TimeoutError) as error:
                row |= {"survived": False, "error": str(error)}
                patient.job.kill()
                patient.job.retry(batch=4, tile=64)
                patient.wait_for_progress()
            rows.append(row | {"seconds": round(time.monotonic() - start, 1)})
            report(rows)
        patient.job.stop()
        patient.wait(lambda: not patient.job.is_alive, "did not stop")
        if patient.job.state != "stopped" or patient.job.model is None:
            raise AssertionError(f"expected a stopped job with a model, got {patient.job.state}")
    finally:
        patient.job.kill()
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("failures.json"))
    options = parser.parse_args()

    def report(rows: list[dict]) -> None:
        held = sum(r["survived"] for r in rows)
        options.json.write_text(json.dumps({"n": len(rows), "survived": held, "rows": rows}, indent=1))
        print(f"{len(rows)} failures, {held} survived; last: {rows[-1]}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.n, seed=options.seed, report=report)


if __name__ == "__main__":
    main()
