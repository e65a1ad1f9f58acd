"""config.json names a workspace, or the message says what is missing; the record of a job comes back."""

import json

import pytest

from napari_centermask.cloud.errors import CloudError
from napari_centermask.cloud.record import JobRecord, read_record, write_record
from napari_centermask.cloud.workspace import Workspace, read_workspace

NAMES = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}


def test_the_file_of_the_portal_is_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(NAMES | {"tenant_id": "t"}))
    workspace = read_workspace(path)
    assert workspace == Workspace(**NAMES)
    assert workspace.scope == (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no workspace file"),
        ("{", "cannot be read as JSON"),
        ("[]", "does not name a workspace"),
        (json.dumps(NAMES | {"workspace_name": ""}), "missing or empty: workspace_name"),
    ],
)
def test_another_file_is_refused_with_the_way_to_get_one(tmp_path, content, message):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CloudError, match=message) as refused:
        read_workspace(path)
    assert "Download config.json in the portal" in str(refused.value)


def test_a_record_comes_back_and_a_damaged_one_says_so(tmp_path):
    record = JobRecord(workspace=Workspace(**NAMES), job="j", out="run", compute="c", data={"centermask-d": "1a"})
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    (tmp_path / "azure.json").write_text("{")
    with pytest.raises(CloudError, match="is damaged"):
        read_record(tmp_path)
    with pytest.raises(CloudError, match="has no job on Azure"):
        read_record(tmp_path / "other")
