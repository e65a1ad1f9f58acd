"""Measure tracking and the joining of slices on composed sequences: docs/benchmarks.md, "Tracking".

python scripts/benchmarks/tracking.py --data ../shared/data              # a folder with dsb2018_fluo and usiigaci_phase
python scripts/benchmarks/tracking.py --data ../shared/data --laptrack   # beside the package laptrack, where it is installed
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from composed_sequence import How, Key, Sequence, compose, compose_stack, cut_outs

from napari_centermask.core.result import Result, centre
from napari_centermask.core.tracks import TIME, Way
from napari_centermask.io.coco.document import read_coco
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.tracking import join_slices, track_cells
from napari_centermask.settings import StitchSettings, TrackSettings

Tracks = dict[Key, tuple[int, int]]
SEQUENCES = {
    "slow": How(motion=0.1, drift=0.05),
    "medium": How(motion=0.25),
    "fast": How(motion=0.5),
    "medium, 5 % missed": How(motion=0.25, missed=0.05),
    "medium, 15 % missed": How(motion=0.25, missed=0.15),
    "drift of a cell": How(motion=0.1, drift=0.7),
}


def links(tracks: Tracks) -> set[tuple[Key, Key]]:
    """Pairs of cells that follow each other: on a track, and from a mother to her daughters."""
    spots: dict[int, list[Key]] = {}
    parents: dict[int, int] = {}
    for key, (track, parent) in sorted(tracks.items()):
        if track:
            spots.setdefault(track, []).append(key)
            parents[track] = parent
    pairs = {(a, b) for keys in spots.values() for a, b in zip(keys, keys[1:], strict=False)}
    return pairs | {(spots[p][-1], spots[t][0]) for t, p in parents.items() if p in spots}


def divisions(tracks: Tracks) -> set[tuple[Key, frozenset[Key]]]:
    """Mothers with their daughters."""
    after: dict[Key, set[Key]] = {}
    for a, b in links(tracks):
        after.setdefault(a, set()).add(b)
    return {(a, frozenset(b)) for a, b in after.items() if len(b) > 1}


def compared(found: Tracks, truth: Tracks) -> list[float]:
    """Recall and precision of links, then of divisions; NaN without any."""
    values = []
    for kind in (links, divisions):
        own, true = kind(found), kind(truth)
        values += [len(own & true) / len(true) if true else np.nan, len(own & true) / len(own) if own else np.nan]
    return values


def ours(sequence: Sequence) -> Tracks:
    """The tracks of this package."""
    return run_through(track_cells(sequence.result, TrackSettings(), way=TIME)).tracks


def laptrack(sequence: Sequence) -> Tracks:
    """The tracks of laptrack, by the distance of centres with the limits of this package."""
    import pandas as pd
    from laptrack import LapTrack

    placed = sequence.result.placed()
    rows = [(index[0], *centre(cell), cell.id) for index, cell in placed]
    frame = pd.DataFrame(rows, columns=["frame", "y", "x", "id"])
    reach = float(np.median([cell.diameter for _, cell in placed]))
    tracker = LapTrack(
        cutoff=reach**2, gap_closing_cutoff=2 * reach**2, gap_closing_max_frame_count=1, splitting_cutoff=reach**2
    )
    spots, splits, _ = tracker.predict_dataframe(
        frame, coordinate_cols=["y", "x"], frame_col="frame", only_coordinate_cols=False
    )
    parents = (
        {} if splits.empty else dict(zip(splits["child_track_id"] + 1, splits["parent_track_id"] + 1, strict=True))
    )
    at = "frame_y" if "frame_y" in spots else "frame"
    spots = spots.reset_index()
    at = "frame" if "frame" in spots else at
    return {
        ((int(f),), int(id)): (int(t) + 1, int(parents.get(t + 1, 0)))
        for f, id, t in zip(spots[at], spots["id"], spots["track_id"], strict=True)
    }


def main() -> None:
    """Print a table for each set of cut-outs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--laptrack", action="store_true")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(SEQUENCES))
    parser.add_argument("--sets", nargs="*", default=["dsb2018_fluo", "usiigaci_phase"])
    given = parser.parse_args()
    methods: dict[str, Callable[[Sequence], Tracks]] = {"ours": ours}
    if given.laptrack:
        methods["laptrack"] = laptrack
    for name in given.sets:
        masks = cut_outs(given.data / name / f"annotations_{given.split}.json")
        side = 1024 if name == "dsb2018_fluo" else 1800
        print(f"\n{name} ({given.split}), {len(masks)} cut-outs\n")
        print("| sequence | method | links found | links right | divisions found | divisions right | seconds |")
        print("|---|---|---|---|---|---|---|")
        for title in given.only:
            how = How(**{**SEQUENCES[title].__dict__, "side": side})
            made = [compose(masks, how, seed=seed) for seed in range(given.seeds)]
            for method, track in methods.items():
                print(f"| {title} | {method} | {' | '.join(_row(made, track))} |", flush=True)
    movie(given.data / "yeastvision_phase" / "annotations.json")
    stacks(cut_outs(given.data / "dsb2018_fluo" / f"annotations_{given.split}.json"), given.seeds)


def movie(coco: Path) -> None:
    """Print how many annotated cells of a real movie go on in the next frame; it has no truth about tracks."""
    frames = sorted(read_coco(coco), key=lambda record: record.file_name)
    result = Result(frames[0].shape, leading=(len(frames),))
    for at, record in enumerate(frames):
        result.put((at,), record.instances)
    found = run_through(track_cells(result, TrackSettings(), way=TIME)).tracks
    here = [{track for (index, _), (track, _) in found.items() if index == (at,)} for at in range(len(frames))]
    on = sum(len(a & b) for a, b in zip(here, here[1:], strict=False))
    print(f"\n{coco.parent.name}: {[len(tracks) for tracks in here]} cells, {on} of {sum(map(len, here[:-1]))} go on")


def _row(made: list[Sequence], track: Callable[[Sequence], Tracks]) -> list[str]:
    values, seconds = [], []
    for sequence in made:
        start = time.perf_counter()
        found = track(sequence)
        seconds.append(time.perf_counter() - start)
        values.append(compared(found, sequence.truth))
    mean = np.nanmean(values, axis=0)
    return [f"{100 * v:.2f} %" for v in mean] + [f"{np.mean(seconds):.1f}"]


def stacks(masks: list[np.ndarray], seeds: int) -> None:
    """Print the table of joined slices."""
    print(
        "\n| stack of 300 cells, 30 slices | slices joined | joined right | 3-D cells whole | seconds |\n|---|---|---|---|---|"
    )
    for title, missed in (("nothing missed", 0.0), ("5 % of the slices missed", 0.05)):
        rows = []
        for seed in range(seeds):
            made = compose_stack(masks, cells=300, slices=30, side=512, missed=missed, seed=seed)
            start = time.perf_counter()
            found = run_through(join_slices(made.result, StitchSettings(), way=Way(0, is_depth=True))).tracks
            seconds = time.perf_counter() - start
            groups = [
                {frozenset(k for k, v in t.items() if v[0] == n) for n in {v[0] for v in t.values()}}
                for t in (found, made.truth)
            ]
            rows.append([*compared(found, made.truth)[:2], len(groups[0] & groups[1]) / len(groups[1]), seconds])
        *parts, seconds = np.mean(rows, axis=0)
        print(f"| {title} | {' | '.join(f'{100 * v:.2f} %' for v in parts)} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
