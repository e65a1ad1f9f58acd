"""What files beside the package say of it agrees with the package."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_centermask

ROOT = Path(__file__).parents[1]


def test_the_conda_recipe_needs_what_the_package_needs():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    recipe = (ROOT / "packaging" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe[recipe.index("  run:") : recipe.index("test:")]
    listed = re.findall(r"^    - (.+)$", run, re.MULTILINE)
    assert listed == ["python >={{ python_min }}", *(d.replace(">=", " >=") for d in needed)]


def test_the_recipe_and_the_citation_have_the_version_of_the_next_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    coming = project["tool"]["hatch"]["version"]["fallback-version"].removesuffix(".dev0")
    for name in ("packaging/meta.yaml", "CITATION.cff"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"version(?: = |: )\"?([\d.]+)\"?", text.replace("cff-version: 1.2.0", ""))[1] == coming, name


def test_the_version_is_that_of_the_installation():
    assert napari_centermask.__version__ == version("napari-centermask")
    assert "__version__" in dir(napari_centermask)


@pytest.fixture
def version_of(tmp_path):
    """The version of a checkout with what the build needs, and the commands to be run in it before."""
    (tmp_path / "src" / "napari_centermask").mkdir(parents=True)
    (tmp_path / "src" / "napari_centermask" / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)

    def run(*command):
        done = subprocess.run([*command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def of(*git):
        for arguments in git:
            run("git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments.split())
        return run(sys.executable, "-m", "hatchling", "version")

    return of


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_version_of_a_tag_is_that_of_the_package(version_of):
    first = "init -q", "add .", "commit -qm first"
    assert version_of(*first).startswith("0.1.0.dev1+g")  # a clean checkout without tags
    assert version_of("tag v1.2.3") == "1.2.3"
    assert version_of("commit -q --allow-empty -m second").startswith("1.2.4.dev1+g")


def test_an_archive_without_git_has_a_version_too(version_of):
    assert version_of() == "0.1.0.dev0"


def test_the_changelog_is_grouped_as_keep_a_changelog_says():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", version) for version in versions[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
