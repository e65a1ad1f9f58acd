"""What mkdocs adds to the pages: the reference of the command line, made from the commands themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference of the command line."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, COMMANDS, content=commands_page()))
    return files
