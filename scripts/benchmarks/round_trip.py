"""Every annotated cell through every format and back: identical, or the loss in numbers.

    python scripts/benchmarks/round_trip.py --data ../shared/data

Each data set is written image by image (COCO: in one file), read again as the command line does, and compared mask by
mask. "Equal": cells that come back with the same pixels and category; for COCO with every other field too. Of the
others, "pixels" counts what their best copy lacks or adds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.records import by_image, records_of, result_of
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import read_files, write_files

Conversion = Callable[[Path, list[Result], Path], Iterable[Result]]


@dataclass
class Row:
    """One data set through one format."""

    data: str
    format: str
    cells: int = 0
    equal: int = 0
    gone: int = 0
    pixels: int = 0
    all_pixels: int = 0
    bytes: int = 0
    seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set, or a folder of data sets")
    parser.add_argument("--formats", default=",".join(_conversions()), help="separated by commas")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    folders = [arguments.data] if (arguments.data / "annotations.json").is_file() else sorted(arguments.data.iterdir())
    rows = []
    for folder in folders:
        if not (folder / "annotations.json").is_file():
            continue
        records = read_coco(folder / "annotations.json", images_root=folder / "images")
        results = [result_of(planes) for planes in by_image(records).values()]
        for name in arguments.formats.split(","):
            rows.append(_row(folder, name, results))
            print(_line(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in rows], indent=1), encoding="utf-8")
    print(*_summary(rows), sep="\n")


def _conversions() -> dict[str, Conversion]:
    """Names of the formats, and of COCO's polygons, with what writes results into a folder and reads them again."""
    conversions: dict[str, Conversion] = {name: _through(name) for name in FORMATS}
    return conversions | {f"polygons {t:g} px": _through_polygons(t) for t in (0.0, 0.5, 1.0)}


def _through(name: str) -> Conversion:
    format = FORMATS[name]

    def convert(folder: Path, results: list[Result], images: Path) -> Iterable[Result]:
        target = folder / f"cells{format.ending}" if format.many or len(results) == 1 else folder / "cells"
        write_files(target, results, format)
        return read_files(target, format, images=images)[1].results

    return convert


def _through_polygons(tolerance: float) -> Conversion:
    def convert(folder: Path, results: list[Result], images: Path) -> Iterable[Result]:
        records = []
        for result in results:
            records += records_of(result, result.name, first_id=len(records) + 1)
        write_coco(folder / "cells.json", records, polygons=tolerance)
        return [result_of(planes) for planes in by_image(read_coco(folder / "cells.json")).values()]

    return convert


def _row(folder: Path, name: str, results: list[Result]) -> Row:
    row = Row(folder.name, name)
    with tempfile.TemporaryDirectory() as place:
        start = time.process_time()
        again = {PurePosixPath(r.name).stem: r for r in _conversions()[name](Path(place), results, folder / "images")}
        row.seconds = round(time.process_time() - start, 2)
        row.bytes = sum(p.stat().st_size for p in Path(place).rglob("*") if p.is_file())
    for result in results:
        copy = again.get(PurePosixPath(result.name).stem)
        for index, plane in result.planes.items():
            _compare(row, list(plane), [] if copy is None else list(copy.plane(index)), exact=name == "coco")
    return row


def _compare(row: Row, before: list[Instance], after: list[Instance], *, exact: bool) -> None:
    left = Counter(_key(c, exact) for c in after)
    for cell in before:
        row.cells += 1
        row.all_pixels += cell.area
        if left[_key(cell, exact)] > 0:
            left[_key(cell, exact)] -= 1
            row.equal += 1
            continue
        shared, copy = max(((intersection(cell, c), c) for c in after), key=lambda pair: pair[0], default=(0, None))
        row.gone += shared == 0
        row.pixels += cell.area if shared == 0 else cell.area + copy.area - 2 * shared


def _key(cell: Instance, exact: bool) -> tuple:
    fields = (cell.id, cell.score, cell.mask_quality, cell.status, cell.source, cell.order) if exact else ()
    return (*cell.box, cell.category, np.packbits(cell.mask).tobytes(), *fields)


def _line(row: Row) -> str:
    return (
        f"| {row.data} | {row.format} | {row.cells} | {row.equal} | {row.gone} | {row.pixels} | "
        f"{100 * row.pixels / max(1, row.all_pixels):.3f} | {row.bytes / max(1, row.cells):.0f} | {row.seconds} |"
    )


def _summary(rows: list[Row]) -> list[str]:
    lines = ["", "| all data | format | cells | equal | gone | pixels | % | bytes per cell | CPU s |", "|---" * 9 + "|"]
    for name in dict.fromkeys(r.format for r in rows):
        total = Row("all", name)
        for row in (r for r in rows if r.format == name):
            for field in ("cells", "equal", "gone", "pixels", "all_pixels", "bytes", "seconds"):
                setattr(total, field, round(getattr(total, field) + getattr(row, field), 2))
        lines.append(_line(total))
    return lines


if __name__ == "__main__":
    main()
