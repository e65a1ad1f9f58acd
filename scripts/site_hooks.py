"""What mkdocs adds to the pages: the menu, and the reference of the command line, made from the commands themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cli import make_app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

COMMANDS = "reference/commands.md"
_HEAD = """# Commands and flags

Made from the program itself, as `napari-centermask COMMAND --help` prints it. [The command line](../cli.md) explains what the
commands are for.
"""


def commands_page() -> str:
    """All commands with their flags, choices and defaults, as Markdown."""
    text = make_app().generate_docs(output_format="markdown", heading_level=1, include_hidden=False)
    body = text[text.index("\n## napari-centermask segment") :]
    examples = re.sub(r"^ {2,}(napari-centermask .*)$", r"    \1", body, flags=re.MULTILINE)
    return _HEAD + re.sub(r"^(#+) napari-centermask ", r"\1 ", examples, flags=re.MULTILINE)


def menu(contents: str) -> list[dict[str, Any]]:
    """The sections of docs/index.md with their links, as mkdocs' `nav`."""
    found: list[dict[str, Any]] = [{"Overview": "index.md"}]
    for section in re.split(r"^## ", contents, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        pages = re.findall(r"^- \[(.+?)\]\(([^)#]+)\)", text, re.MULTILINE)
        if pages:
            found.append({title: [{name: page} for name, page in pages]})
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the menu."""
    config.nav = menu((Path(config.docs_dir) / "index.md").read_text(encoding="utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference of the command line."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, COMMANDS, content=commands_page()))
    return files
