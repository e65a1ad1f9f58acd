"""Errors that a person can act on are told apart from a wish to stop."""

import pytest

from napari_centermask.core import errors


@pytest.mark.parametrize(
    "kind",
    ["BadAnnotations", "BadImage", "BadModel", "BadProject", "BadSettings"]
    + ["CannotSave", "ChangedOutside", "MissingExtra", "ReadOnlyProject", "TrainingFailed"],
)
def test_every_kind_is_shown_to_the_user_as_it_is(kind):
    error = getattr(errors, kind)("Choose another image.")
    assert isinstance(error, errors.UserError)
    assert str(error) == "Choose another image."


def test_to_cancel_is_no_error_of_the_user():
    assert not issubclass(errors.Cancelled, errors.UserError)


def test_a_failed_training_brings_its_reason_and_what_to_retry_with():
    failed = errors.TrainingFailed("It ran out of memory.", reason="memory", remedy={"batch": 2})
    assert (failed.reason, failed.remedy) == ("memory", {"batch": 2})
    assert (errors.TrainingFailed("x").reason, errors.TrainingFailed("x").remedy) == ("settings", {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Exception from src/core.cpp:132:\nCheck 'false' failed at a.cpp:1:\nNo operator Nonsense.\n",
            "No operator Nonsense",
        ),
        ("truncated file.\nmore", "truncated file"),
        ("only this:", "only this"),
        ("", "ValueError"),
        ("\n", "ValueError"),
        ("Exception from src/x.cpp:1:\nstd::bad_alloc", "it needs more memory than there is"),
    ],
)
def test_the_reason_of_a_library_is_its_first_line_that_says_something(text, reason):
    assert errors.reason(ValueError(text)) == reason
