"""What files beside the package say of it agrees with the package."""

import re
import tomllib
from pathlib import Path

from napari_centermask import __version__

ROOT = Path(__file__).parents[1]


def test_the_conda_recipe_needs_what_the_package_needs():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    recipe = (ROOT / "packaging" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe[recipe.index("  run:") : recipe.index("test:")]
    listed = re.findall(r"^    - (.+)$", run, re.MULTILINE)
    assert listed == ["python >={{ python_min }}", *(d.replace(">=", " >=") for d in needed)]


def test_the_recipe_and_the_citation_have_the_present_version():
    for name in ("packaging/meta.yaml", "CITATION.cff"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert (
            re.search(r"version(?: = |: )\"?([\d.]+)\"?", text.replace("cff-version: 1.2.0", ""))[1] == __version__
        ), name


def test_the_changelog_is_grouped_as_keep_a_changelog_says():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", version) for version in versions[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
