"""`compress`: make a smaller and faster version of a model by a plan, each step judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cli.output import check_free, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install

if TYPE_CHECKING:
    from napari_centermask.deploy.compress.plan import Plan


def compress(plan: Path, /, *, overwrite: Flag = False, json: Flag = False) -> int:
    """Make a smaller and faster version of a model by the steps of a plan, in the order that it gives.

    Each step is judged on annotated images, or without annotations by how many of the model's cells are found again. A step that
    loses more AP50 than the plan accepts ends it. The table, the plot and the models of all steps are in the folder `out` of the
    plan. docs/compress.md has the steps.

    For example:

      napari-centermask compress plan.json

    Parameters
    ----------
    plan
        JSON file such as {"model": "nuclei", "data": "fields", "out": "smaller", "name": "nuclei-int8",
        "steps": [{"do": "quantise"}]}.
    overwrite
        Replace an earlier result in `out`.
    json
        Print the table as JSON.
    """
    try:
        from napari_centermask.deploy.compress.plan import read_plan
    except ImportError as error:
        raise MissingExtra(f"Compression needs {error.name}: {how_to_install('train')}") from error
    return carry_out(read_plan(plan), overwrite=overwrite, json=json, out="`out` in the plan")


def carry_out(plan: Plan, *, overwrite: bool, json: bool, out: str) -> int:
    """Compress, and print the table and the recommendation; `out` says how to choose another folder for the results."""
    try:
        from napari_centermask.deploy.compress import run, table
    except ImportError as error:
        raise MissingExtra(f"Compression needs {error.name}: {how_to_install('train')}") from error
    targets = [*(plan.out / name for name in table.FILES), *plan.folders]
    check_free(targets, overwrite=overwrite, data=[] if plan.data is None else [plan.data], out=out)
    result = run.compress(plan, say=notice)
    if json:
        print_json(
            table.as_json(result.rows, result.sentence) | {"model": result.files.name, "files": result.files.paths}
        )
        return 0
    print(table.as_text(result.rows))
    print(f"\n{result.sentence}")
    if plan.name is not None:
        is_installed = result.files.name == plan.name
        print(f"Installed as '{plan.name}'." if is_installed else "Nothing was installed.")
    return 0
