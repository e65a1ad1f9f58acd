"""The command line: one file per command. Flags are made from the settings; heavy imports are deferred."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, Parameter

from napari_centermask import __version__
from napari_centermask.cli.output import Lasting
from napari_centermask.core.errors import BadSettings, Cancelled, UserError
from napari_centermask.io.pages import page_url
from napari_centermask.training.run.shortage import is_out_of_memory

if TYPE_CHECKING:
    from pydantic import ValidationError

    from napari_centermask.models.families import Family

USER_ERROR = 2  # as getopt and argparse end
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells say it

_COMMANDS = (
    "segment",
    "train",
    "finetune",
    "sweep",
    "evaluate",
    "compare",
    "rank",
    "export",
    "compress",
    "quantise",
    "convert",
    "track",
    "stitch",
    "classify",
    "train-classifier",
    "viability",
    "measure",
    "flatfield",
    "pictures",
    "benchmark",
    "submit",
    "remote",
    "endpoint",
    "models",
    "demo",
    "doctor",
)
"""Each is a module of this package with a function of the same name (for `models`, an application)."""


def make_app(command: str = "") -> App:
    """The application with its commands; only the named one, if there is such a command, as each takes time to import."""
    app = App(
        name="napari-centermask",
        help="Segment overlapping cells with CenterMask2.",
        help_format="plaintext",
        version=__version__,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        # Flags may take several values: --channels 0 2.
        default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
    )
    for name in [command] if command in _COMMANDS else _COMMANDS:
        own = name.replace("-", "_")
        module = import_module(f"{__name__}.{own}")
        app.command(module.app if hasattr(module, "app") else getattr(module, own))
    return app


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    tokens
        The arguments after the program's name; those of this process by default.

    Returns
    -------
    int
        0; 2 after an error that you can correct; 130 when interrupted.
    """
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    try:
        app = make_app(*tokens[:1])
        if tokens[:1] == ["train"]:
            from napari_centermask.cli.train import read_run_file

            app.config = read_run_file(tokens[1:])
        return app(tokens, exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        return _fail(_explain(error) + _hint(tokens))
    except UserError as error:
        return _fail(str(error) + _where_to_read(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _fail("Out of memory. Close other programs or use a smaller --tile.")
    except (KeyboardInterrupt, Cancelled):
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        return _fail(f"Cannot use {error.filename}: {error.strerror}.")


def main() -> None:
    """Entry point of the script `napari-centermask`."""
    signal.signal(signal.SIGTERM, _on_terminate)
    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)
    code = run()
    sys.stdout.flush()
    sys.exit(code)


def _on_terminate(number: int, frame: object) -> None:
    # Raised as an exception so that temporary files are removed.
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return USER_ERROR


def _hint(tokens: list[str]) -> str:
    command = " ".join(t for t in tokens[:1] if t in _COMMANDS)
    return f"\nSee: napari-centermask {command + ' ' if command else ''}--help"


def _where_to_read(error: UserError) -> str:
    """The page about such errors, for a person at a terminal; logs and the programs that read them need only the message."""
    page, _, anchor = error.page.partition("#")
    return f"\nSee: {page_url(page, anchor)}" if sys.stderr.isatty() else ""


def _explain(error: CycloptsError) -> str:
    """One sentence per error; for pydantic's errors the field, the rule and the value."""
    import pydantic

    cause = error.__cause__ or error.__context__
    if isinstance(cause, pydantic.ValidationError):
        return str(explain_settings(cause))
    return str(error).strip()


def _families_with(field: str) -> list[Family]:
    """The families whose networks have a setting."""
    from napari_centermask.models.families import FAMILIES

    return [family for family in FAMILIES.values() if field in family.settings.model_fields]


@contextmanager
def settings_explained() -> Iterator[None]:
    """Errors of settings that a command puts together, as one that names its flags (`explain_settings`)."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        raise explain_settings(error) from None


def explain_settings(error: ValidationError) -> BadSettings:
    """The validation errors of a settings object, by flag: `--score: Input should be less than or equal to 1, got 3`."""
    from napari_centermask.settings import fault_text

    faults = []
    for fault in error.errors():
        parts = [part for part in fault["loc"] if isinstance(part, str)]
        parts = [p for p, before in zip(parts, ["", *parts], strict=False) if before != "model"]  # a family, not a flag
        flag = "--" + ".".join(part.replace("_", "-") for part in parts)
        others = _families_with(parts[-1]) if fault["type"] == "extra_forbidden" and parts[0] == "model" else []
        if others:
            kinds = " or ".join(f"a {family.title} (--model.family {family.name})" for family in others)
            faults.append(f"{flag} has no effect: only {kinds} uses it")
        else:
            faults.append(f"{flag}: {fault_text(fault)}")
    return BadSettings("; ".join(faults) + ".")
