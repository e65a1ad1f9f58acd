import base64
import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

from napari_centermask.cloud.workspace import Workspace
from napari_centermask.settings import ModelSettings, TrainSettings


def token_for(scope):
    """A token whose parts can be read, as the SDK does before it submits a pipeline."""
    claims = {"tid": "tenant", "oid": "person", "aud": scope.removesuffix("/.default")}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims, {}))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


class Credential:
    """Gives a token to whoever asks."""

    def get_token(self, *scopes, **_options):
        from azure.core.credentials import AccessToken

        return AccessToken(token_for(scopes[0]), int(time.time()) + 3600)


def load_service():
    """The module of the stand-in, which lies beside the tests."""
    spec = importlib.util.spec_from_file_location("azure_service", Path(__file__).with_name("azure_service.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["azure_service"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def service(monkeypatch):
    """Azure, as far as these tests need it; every request of this process goes there."""
    pytest.importorskip("azure.ai.ml", reason="the extra azure is not installed")
    import requests
    from azure.core.pipeline.policies import RetryPolicy

    stand_in = load_service().Service()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *args, **options: stand_in.send(*args, **options))
    monkeypatch.setattr(RetryPolicy, "sleep", lambda *_, **__: None)
    return stand_in


@pytest.fixture
def workspace():
    """The one of the stand-in."""
    return Workspace(
        subscription_id="11111111-2222-3333-4444-555555555555", resource_group="cells", workspace_name="lab"
    )


@pytest.fixture
def jobs(service, workspace):
    """Our client of the stand-in."""
    from napari_centermask.cloud.client import AzureJobs

    return AzureJobs(workspace, Credential())


@pytest.fixture
def run(tmp_path, fields):
    """Settings of a run on two small annotated images."""
    network = ModelSettings(backbone="V-19-slim-dw-eSE", in_channels=1)
    return TrainSettings(data=[fields], out=tmp_path / "mine", model=network, steps=100, batch=4, minutes=60)
