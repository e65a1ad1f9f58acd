"""A stand-in for Azure Machine Learning at the HTTP transport: the SDK and our client are the real ones.

Its answers follow the contracts of the REST interfaces (Microsoft.MachineLearningServices, run history, MLflow, blob storage) as
the SDK's own models read them. Whether the real service answers so, no test can say.
"""

from __future__ import annotations

import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import requests
from urllib3 import HTTPResponse

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
NAMES = {"subscription_id": SUBSCRIPTION, "resource_group": "cells", "workspace_name": "lab"}
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/cells/providers/Microsoft.MachineLearningServices/workspaces/lab"
SCORING = "cells.eastus.inference.ml.azure.com"
HOST, BLOBS, CONTAINER = "eastus.api.azureml.ms", "labstore.blob.core.windows.net", "azureml"


class Service:
    """The workspace `lab` with the compute `cpus`.

    Attributes
    ----------
    calls
        "METHOD /path" of each request, below the workspace where it belongs to it.
    resources
        Bodies by path.
    blobs
        Contents by path.
    refusals
        Status, code and message for requests whose "METHOD /path" begins with the key.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.metrics: dict[str, list[dict]] = {}
        self.tags: dict[str, str] = {}
        self.status = "Running"
        self.error = ""
        self.is_offline = False
        self.answers: list[tuple[int, dict]] = []  # of deployments, in turn; the last one again and again
        self.scored: list[tuple[str, dict]] = []  # deployment and request
        cluster = {"computeType": "AmlCompute", "provisioningState": "Succeeded"}
        cluster["properties"] = {"vmSize": "STANDARD_F16S_V2", "scaleSettings": {"maxNodeCount": 2, "minNodeCount": 0}}
        store = {"datastoreType": "AzureBlob", "accountName": "labstore", "containerName": CONTAINER, "isDefault": True}
        store |= {"credentials": {"credentialsType": "Sas"}, "endpoint": "core.windows.net", "protocol": "https"}
        self.resources: dict[str, dict] = {
            "": {
                "location": "eastus",
                "properties": {
                    "mlFlowTrackingUri": f"azureml://{HOST}/mlflow/v1.0{SCOPE}",
                    "discoveryUrl": f"https://{HOST}/discovery",
                    "workspaceId": "w1",
                },
            },
            "/computes/cpus": {"location": "eastus", "properties": cluster},
            "/datastores/workspaceblobstore": {"properties": store},
            "/datastores/workspaceartifactstore": {"properties": store},
        }

    def send(self, _adapter, request, **_options) -> requests.Response:
        """In place of `requests.adapters.HTTPAdapter.send`."""
        url = urlsplit(request.url)
        path = url.path[len(SCOPE) :] if url.path.lower().startswith(SCOPE.lower()) else url.path
        call = f"{request.method} {path}"
        self.calls.append(call)
        if self.is_offline:
            raise requests.ConnectionError("Failed to resolve 'management.azure.com'")
        for start, (status, code, message) in self.refusals.items():
            if call.startswith(start):
                return answer(request, status, {"error": {"code": code, "message": message}})
        if url.netloc == BLOBS:
            return self._blob(request, url)
        if url.netloc == HOST:
            return self._host(request, url)
        if url.netloc == SCORING:
            return self._score(request)
        return self._resource(request, path, parse_qs(url.query))

    def _resource(self, request, path: str, query: dict) -> requests.Response:
        if request.method == "PUT":
            body = json.loads(request.body)
            body["properties"].setdefault("provisioningState", "Succeeded")
            if path.startswith("/onlineEndpoints/"):
                own = (
                    {"scaleSettings": {"scaleType": "Default"}}
                    if "/deployments/" in path
                    else {"scoringUri": f"https://{SCORING}/score"}
                )
                body["properties"] |= own
            if path.startswith("/models/"):
                body["properties"] |= {"flavors": body["properties"].get("flavors") or {}}
            self.resources[path] = body
        if path.endswith("/startPendingUpload"):
            place = f"https://{BLOBS}/{CONTAINER}/uploads"
            there = {"blobUri": place, "credential": {"credentialType": "SAS", "sasUri": f"{place}?sig=s"}}
            return answer(request, 200, {"blobReferenceForConsumption": there, "pendingUploadId": "1"})
        if path.endswith("/listSecrets"):
            return answer(request, 200, {"secretsType": "Sas", "sasToken": "sig=s"})
        if path.endswith("/listKeys"):
            return answer(request, 200, {"primaryKey": "key", "secondaryKey": "key2"})
        if request.method == "DELETE":
            gone = [p for p in self.resources if p == path or p.startswith(f"{path}/")]
            return answer(request, 200 if [self.resources.pop(p) for p in gone] else 204, {})
        if path.endswith("/cancel"):
            self.status = "Canceled"
            return answer(request, 200, {})
        if path in self.resources:
            return answer(request, 201 if request.method == "PUT" else 200, self._shown(path))
        if re.fullmatch(r"/\w+|/\w+/[^/]+/(versions|deployments)", path):
            found = [p for p in self.resources if re.fullmatch(f"{re.escape(path)}/[^/]+", p)]
            if "isDefault" in query:
                found = ["/datastores/workspaceblobstore"]
            hashes = query.get("hash")
            return answer(request, 200, {"value": [] if hashes else [self._shown(p) for p in found]})
        return answer(request, 404, {"error": {"code": "ResourceNotFound", "message": f"There is no {path} here."}})

    def _shown(self, path: str) -> dict:
        shown = {"id": SCOPE + path, "name": path.rsplit("/", 1)[-1] or "lab", **self.resources[path]}
        if path.startswith("/jobs/"):
            portal = {"Studio": {"jobServiceType": "Studio", "endpoint": "https://ml.azure.com/runs/1"}}
            shown["properties"] = shown["properties"] | {"status": self.status, "services": portal}
        return shown

    def _score(self, request) -> requests.Response:
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.scored.append((request.headers.get("azureml-model-deployment", ""), json.loads(request.body)))
        return answer(request, status, body)

    def _host(self, request, url) -> requests.Response:
        if url.path.startswith("/discovery"):
            return answer(request, 200, {"api": f"https://{HOST}", "history": f"https://{HOST}"})
        if url.path.endswith("/runs/get"):
            latest = [{"key": key, **points[-1]} for key, points in self.metrics.items()]
            tags = [{"key": key, "value": value} for key, value in self.tags.items()]
            return answer(request, 200, {"run": {"data": {"metrics": latest, "tags": tags}}})
        if url.path.endswith("/metrics/get-history"):
            query = parse_qs(url.query)
            points, start = self.metrics[query["metric_key"][0]], int(query.get("page_token", ["0"])[0])
            page = points[start : start + 2]
            more = {"next_page_token": str(start + 2)} if start + 2 < len(points) else {}
            return answer(request, 200, {"metrics": page} | more)
        if url.path.endswith("/children"):
            own = f"/jobs/{url.path.split('/')[-2]}-"
            steps = [path.rsplit("/", 1)[-1] for path in self.resources if path.startswith(own)]
            names = {step: self.resources[f"/jobs/{step}"]["properties"]["displayName"] for step in steps}
            found = [{"runId": step, "displayName": name, "runType": "azureml.StepRun"} for step, name in names.items()]
            return answer(request, 200, {"value": found})
        if url.path.endswith("/rundata"):
            return answer(request, 200, {"runMetadata": {"runId": "j", "status": self.status, "outputs": {}}})
        if url.path.endswith("/details"):
            logs = {"user_logs/std_log.txt": f"https://{BLOBS}/{CONTAINER}/std_log.txt?sig=s"}
            error = {"error": {"error": {"code": "UserError", "message": self.error}}} if self.error else {}
            return answer(request, 200, {"runId": "j", "status": self.status, "logFiles": logs} | error)
        return answer(request, 404, {"error": {"code": "NotFound", "message": url.path}})

    def _blob(self, request, url) -> requests.Response:
        name = url.path.removeprefix(f"/{CONTAINER}").lstrip("/")
        if "comp=list" in url.query:
            start = parse_qs(url.query).get("prefix", [""])[0]
            found = "".join(
                f"<Blob><Name>{key}</Name><Properties><Content-Length>{len(content)}</Content-Length>"
                "<BlobType>BlockBlob</BlobType></Properties></Blob>"
                for key, content in sorted(self.blobs.items())
                if key.startswith(start)
            )
            blobs = f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker/></EnumerationResults>"
            text = f'<?xml version="1.0" encoding="utf-8"?>{blobs}'
            return respond(request, 200, text.encode(), {"Content-Type": "application/xml"})
        if "comp=metadata" in url.query:
            return respond(request, 200, b"", {"ETag": '"1"', "Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"})
        if request.method == "PUT":
            body = request.body or b""
            self.blobs[name] = (
                body.read() if hasattr(body, "read") else body if isinstance(body, bytes) else body.encode()
            )
            return respond(request, 201, b"", {"ETag": '"1"', "Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"})
        if name not in self.blobs:
            return respond(request, 404, b"", {"x-ms-error-code": "BlobNotFound"})
        content = self.blobs[name]
        about = {"Content-Length": str(len(content)), "x-ms-blob-type": "BlockBlob", "ETag": '"1"'}
        about["Last-Modified"] = "Mon, 30 Nov 2026 00:00:00 GMT"
        if request.method == "HEAD":
            return respond(request, 200, b"", about)
        if "x-ms-range" in request.headers:
            about["Content-Range"] = f"bytes 0-{len(content) - 1}/{len(content)}"
            return respond(request, 206, content, about)
        return respond(request, 200, content, about)


def answer(request, status: int, body: dict) -> requests.Response:
    """JSON."""
    return respond(request, status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def respond(request, status: int, content: bytes, headers: dict[str, str]) -> requests.Response:
    """A response as `requests` makes it of what came over the network."""
    response = requests.Response()
    response.status_code, response.request, response.url = status, request, request.url
    response.headers.update(headers)
    response.raw = HTTPResponse(
        io.BytesIO(content), headers=headers, status=status, preload_content=False, request_method=request.method
    )
    response.reason = "Answer"
    return response
