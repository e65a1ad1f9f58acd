"""Pages, README and comments lead where they say: files, sections and pictures are there. `make docs` checks the built site."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from napari_centermask.cli import _COMMANDS
from napari_centermask.io.pages import REPOSITORY, SITE, slug

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("reference/*.md")])
BESIDE = [ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")]
GENERATED = {DOCS / "reference" / "commands.md": set(_COMMANDS)}
"""Pages that the build makes, with the sections that others link to."""
RAW = REPOSITORY.replace("github.com", "raw.githubusercontent.com") + "/main/"
BLOB = f"{REPOSITORY}/blob/main/"


def prose(file: Path) -> str:
    """The Markdown without its code."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4,}\S.*$|`[^`\n]+`", lambda m: m[0] if m[0].startswith("`") else "", text, flags=re.MULTILINE)


def links(file: Path) -> list[str]:
    """The targets of links and pictures in a file."""
    return [target for _, target in re.findall(r"(!?\[(?:[^][]|\[[^]]*\])*\])\(([^)\s]+)\)", prose(file))]


@cache
def anchors(file: Path) -> set[str]:
    """The sections of a page."""
    if file in GENERATED:
        return GENERATED[file]
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def fault(target: Path, anchor: str) -> str:
    """What is wrong with a link to a file in the repository; empty for nothing."""
    if not target.exists() and target not in GENERATED:
        return f"{target.relative_to(ROOT)} is not there"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return f"{target.relative_to(ROOT)} has no section #{anchor}"
    return ""


@pytest.mark.parametrize("file", [*PAGES, *BESIDE], ids=lambda f: f.name)
def test_every_link_of_a_page_leads_to_a_file_and_a_section(file):
    faults = []
    for link in links(file):
        path, _, anchor = unquote(link).partition("#")
        if path.startswith(BLOB):
            faults.append(fault(ROOT / path.removeprefix(BLOB), anchor))
        elif not re.match(r"[a-z]+:", path):
            target = (file.parent / path).resolve() if path else file
            outside = DOCS in file.parents and not target.is_relative_to(DOCS)
            faults.append(f"{link} leads out of the site" if outside else fault(target, anchor))
    assert not list(filter(None, faults))


def test_the_readme_links_and_shows_pictures_wherever_it_is_read():
    """On PyPI and the napari hub there is no repository around it."""
    faults = []
    text = prose(ROOT / "README.md")
    for link in links(ROOT / "README.md"):
        path, _, anchor = link.partition("#")
        is_picture = f"]({link})" in "".join(re.findall(r"!\[[^]]*\]\([^)]*\)", text))
        if not path.startswith("https://"):
            faults.append(f"{link} is relative")
        elif is_picture:
            faults.append(fault(ROOT / path.removeprefix(RAW), "") if path.startswith(RAW) else f"{link} is not raw")
        elif path.startswith(BLOB):
            faults.append(fault(ROOT / path.removeprefix(BLOB), anchor))
    assert not list(filter(None, faults))
    assert sum(link.startswith(RAW) for link in links(ROOT / "README.md")) >= 2


def test_every_page_stands_in_the_contents_once():
    """They are the menu of the site, too."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[.+?\]\(([^)#]+)\)", text, re.MULTILINE)
    there = {file.relative_to(DOCS).as_posix() for file in (*PAGES, *DOCS.glob("*.ipynb"), *GENERATED)}
    assert sorted(listed) == sorted(there - {"index.md"})


def test_the_site_has_one_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Repository"] == REPOSITORY
    assert project["urls"]["Documentation"] == SITE
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"site_url: {SITE}\n" in site
    assert f"repo_url: {REPOSITORY}\n" in site


def test_pages_and_sections_that_comments_name_are_there():
    """The beginning of a heading is enough."""
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("tests/**/*.py")]
    faults = []
    for file in files:
        text = re.sub(r'["\s]*\n\s*#?\s*"?', " ", file.read_text(encoding="utf-8"))
        for page, quoted in re.findall(r'docs/(\w+)\.md((?:(?:, | and |,? or )"[^"]+")*)', text):
            if not (DOCS / f"{page}.md").is_file():
                faults.append(f"{file.name}: docs/{page}.md is not there")
            else:
                known = anchors(DOCS / f"{page}.md")
                names = map(slug, re.findall('"([^"]+)"', quoted))
                faults += [f"{file.name}: {page}, {n}" for n in names if not any(k.startswith(n) for k in known)]
    assert not faults


def test_pictures_are_used_and_small():
    used = {Path(link).name for file in [*PAGES, ROOT / "README.md"] for link in links(file)}
    tracked = subprocess.run(["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not in a checkout")
    pictures = [ROOT / line for line in tracked.stdout.split() if line.endswith((".png", ".jpg", ".svg"))]
    assert not [p.name for p in pictures if p.name not in used]
    assert not [p.name for p in pictures if p.stat().st_size > 1_000_000]
