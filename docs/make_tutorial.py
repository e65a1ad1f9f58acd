"""Make the pictures of docs/tutorial.md: the journey of tests/e2e/journey.py, walked in a real napari that is killed at its end.

xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_tutorial.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests" / "e2e"))

from journey import walk_killed_and_again  # noqa: E402


def main() -> None:
    """Make all pictures; the models and settings of the person who runs this stay as they are."""
    with tempfile.TemporaryDirectory(prefix="tutorial-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        os.environ["NAPARI_CENTERMASK_HOME"] = str(home / "models and runs")
        os.environ["NAPARI_CONFIG"] = str(home / "napari.yaml")
        os.environ["XDG_CONFIG_HOME"] = str(home / "config")
        before, after = walk_killed_and_again(home, pictures=DOCS / "images", seconds=8000)
    assert before == after
    print(f"Made {len(list((DOCS / 'images').glob('tutorial_*.png')))} pictures.")


if __name__ == "__main__":
    main()
