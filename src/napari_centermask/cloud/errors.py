"""What a service refuses, in words with a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from napari_centermask.core.errors import MissingExtra, UserError, reason
from napari_centermask.core.extras import how_to_install

WORKSPACE = "looking for the workspace"
"""What goes on when the first request is made, which meets a wrong name."""


class CloudError(UserError):
    """The service cannot be reached, or refuses what was asked."""

    page = "azure#what-can-go-wrong"


class JobCancelled(CloudError):
    """The job was cancelled, here or by somebody else."""


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn errors of Azure's packages into `CloudError`.

    Parameters
    ----------
    doing
        What is going on, such as "submitting the job", for the message.

    Raises
    ------
    MissingExtra
        If the packages are not installed.
    CloudError
        With a remedy. Nothing here is lost by it: data that are uploaded already are found again by their content.
    """
    try:
        from azure.ai.ml.exceptions import MlException
        from azure.core.exceptions import AzureError
    except ImportError as error:
        raise MissingExtra(f"Azure Machine Learning needs its packages ({error}): {how_to_install('azure')}") from error
    try:
        yield
    except (AzureError, MlException) as error:
        raise CloudError(f"{_sentence(error, doing)}") from error


def _sentence(error: Exception, doing: str) -> str:
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
        ServiceResponseError,
    )

    chain = list(_causes(error))
    if any(isinstance(one, ClientAuthenticationError) for one in chain):
        return (
            f"Azure accepts no credential of this computer while {doing}. Log in with `az login`, or set AZURE_TENANT_ID, "
            f"AZURE_CLIENT_ID and AZURE_CLIENT_SECRET ({_short(error)})."
        )
    if any(isinstance(one, (ServiceRequestError, ServiceResponseError)) for one in chain):
        return f"Azure cannot be reached while {doing} ({_short(error)}). Check the network or proxy, then run the command again."
    answer = next((one for one in chain if isinstance(one, HttpResponseError)), None)
    return _refusal(answer, error, doing)


def _refusal(answer: Exception | None, error: Exception, doing: str) -> str:
    text, status = str(error), getattr(answer, "status_code", None)
    if "quota" in text.lower():
        return (
            f"The quota does not allow this ({_short(error)}). Choose a smaller size or fewer nodes, or ask for more under "
            "'Usage + quotas' in the portal."
        )
    if status == 404 and doing == WORKSPACE:
        return f"There is no such workspace ({_short(error)}). Check the three names in config.json."
    if status == 404:
        return f"Azure does not know what is named while {doing} ({_short(error)}). Check the names."
    if status in (401, 403):
        return f"Your account is not allowed this while {doing} ({_short(error)}). Ask for the role 'AzureML Data Scientist'."
    if status == 429 or (status or 0) >= 500:
        return (
            f"Azure is busy or has a fault while {doing} ({_short(error)}). Wait a little, then run the command again."
        )
    return f"Azure refused this while {doing}: {_short(error)}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__


def _short(error: Exception) -> str:
    """The first line, without Azure's colours and bearer tokens."""
    return re.sub(r"\x1b\[[0-9;]*m|Bearer \S+", "", reason(error))
