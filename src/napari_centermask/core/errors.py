"""Errors that the user can correct: each says what was expected, what was found, and what to do."""

from __future__ import annotations

from typing import Any, ClassVar


class UserError(Exception):
    """An error that the user can act on; the message is shown without a traceback.

    Attributes
    ----------
    page
        The page of the documentation about errors of this kind, with "#section" (`io.pages`).
    """

    page: ClassVar[str] = "faq"


class BadImage(UserError):
    """The image cannot be segmented as it is."""

    page = "faq#images"


class BadAnnotations(UserError):
    """The annotation file cannot be read or does not describe the images."""

    page = "faq#annotations-and-files-of-cells"


class BadModel(UserError):
    """The model file or its card cannot be used."""

    page = "models"


class BadSettings(UserError):
    """A setting is out of range or does not fit the model or the data."""

    page = "faq#settings"


class BadProject(UserError):
    """The project's folder or files cannot be used."""

    page = "faq#projects"


class ReadOnlyProject(UserError):
    """The project is open elsewhere, or its folder cannot be written."""

    page = "faq#projects"


class ChangedOutside(UserError):
    """Another program changed a file that was about to be replaced."""

    page = "faq#projects"


class CannotSave(UserError):
    """A file cannot be written: the disk is full, gone or protected, or its name is not possible."""

    page = "faq#annotations-and-files-of-cells"


class MissingExtra(UserError):
    """A feature needs packages that are not installed; the message gives the command to install them."""

    page = "install#what-to-install"


class TrainingFailed(UserError):
    """Training cannot continue; the message says why and what to change.

    Parameters
    ----------
    reason
        "memory", "disk", "data", "numbers" or "checkpoint".
    remedy
        Settings to retry with.
    """

    page = "faq#training"

    def __init__(self, message: str, *, reason: str = "settings", remedy: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy or {}


class Cancelled(Exception):
    """The user cancelled; not an error."""


_NO_MEMORY = "bad_alloc", "Failed to allocate memory", "out of memory"
"""In the errors of runtimes."""


def reason(error: Exception) -> str:
    """Why a library failed, for a sentence of ours: the first line of its error, or its kind if it says nothing.

    Lines that end with a colon only introduce it: OpenVINO's errors begin with places in its source.
    """
    if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        return "it needs more memory than there is"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    telling = [line for line in lines if not line.endswith(":")] or lines
    return telling[0][:200].rstrip(".:")
