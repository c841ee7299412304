"""A hub of models and datasets on the loopback address, with the answers that the real ones give.

It speaks what huggingface_hub 2.4 asks of `HfApi.model_info` and `dataset_info` (GET /api/models/<ref>?blobs=true) and of a file
(GET /<ref>/resolve/<commit>/<name>, /datasets/<ref>/resolve/...), and ModelScope's listing and files.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "1234567890abcdef1234567890abcdef12345678"


def _chunks(stream: Any) -> bytes:
    """A body of which nobody said how long it is."""
    found = b""
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        found += stream.read(size)
        stream.readline()
    return found


class FakeHub:
    """`repos[ref]` are a repository's files. Behaviours: `gated` and `locked` refs, files that break off in the middle."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()  # told by the listing
        self.locked: set[str] = set()  # listed for everybody, files for the chosen only: what Meta's models do
        self.broken_off: set[str] = set()
        self.private: set[str] = set()
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(self.path)
                hub.answer(self)

            def do_POST(self) -> None:
                hub.asked.append(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                hub.take(self, self.rfile.read(size) if size else _chunks(self.rfile))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        path = parts.path.strip("/").split("/")
        if path[:2] in (["api", "models"], ["api", "datasets"]):
            self._info(request, "/".join(path[2:4]), "blobs" in parse_qs(parts.query))
        elif path[:3] == ["api", "v1", "models"]:
            self._modelscope_files(request, "/".join(path[3:5]))
        elif path[0] == "models":
            self._file(request, "/".join(path[1:3]), path[-1])
        elif path[0] == "datasets":
            assert path[3:5] == ["resolve", COMMIT]
            self._file(request, "/".join(path[1:3]), "/".join(path[5:]))
        else:
            assert path[2:4] == ["resolve", COMMIT]
            self._file(request, "/".join(path[:2]), path[-1])

    def take(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """What `create_repo` and `create_commit` send. Every file is taken as a regular one, in base64 within the commit."""
        path = urlsplit(request.path).path.strip("/").split("/")
        if path == ["api", "repos", "create"]:
            asked = json.loads(body)
            ref = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.repos.setdefault(ref, {})
            if asked.get("private") or asked.get("visibility") == "private":
                self.private.add(ref)
            return _send(request, 200, json.dumps({"url": f"{self.url}/{ref}", "name": ref}).encode(), {})
        if path[:2] == ["api", "validate-yaml"]:
            return _send(request, 200, b'{"errors":[],"warnings":[]}', {})
        ref = "/".join(path[2:4])
        if path[4] == "preupload":
            files = [{"path": item["path"], "uploadMode": "regular", "shouldIgnore": False} for item in json.loads(body)["files"]]
            return _send(request, 200, json.dumps({"files": files}).encode(), {})
        assert path[4] == "commit"
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.repos[ref][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        told = {"commitUrl": f"{self.url}/{ref}/commit/{COMMIT}", "commitOid": COMMIT, "success": True}
        return _send(request, 200, json.dumps(told).encode(), {})

    def _info(self, request: BaseHTTPRequestHandler, ref: str, with_sizes: bool) -> None:
        if ref in self.gated:
            return _send(request, 401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        if ref not in self.repos:
            message = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return _send(request, 404, b'{"error":"Repository not found"}', message)
        files = self.repos[ref].items()
        siblings = [{"rfilename": name} | ({"size": len(content)} if with_sizes else {}) for name, content in files]
        info = {"id": ref, "modelId": ref, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
        return _send(request, 200, json.dumps(info | {"cardData": {"license": "apache-2.0"}}).encode(), {})

    def _modelscope_files(self, request: BaseHTTPRequestHandler, ref: str) -> None:
        if ref not in self.repos:
            return _send(request, 404, b'{"Code":10010205001,"Message":"not found","Success":false}', {})
        files = [
            {"Path": name, "Size": len(content), "Type": "blob", "Revision": f"{n:040d}", "CommittedDate": 1_700_000_000 + n}
            for n, (name, content) in enumerate(self.repos[ref].items())
        ]
        files.append({"Path": "onnx", "Size": 0, "Type": "tree", "Revision": "f" * 40, "CommittedDate": 1_800_000_000})
        return _send(request, 200, json.dumps({"Code": 200, "Data": {"Files": files}, "Success": True}).encode(), {})

    def _file(self, request: BaseHTTPRequestHandler, ref: str, name: str) -> None:
        if ref in self.locked:
            return _send(request, 403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        content = self.repos[ref][name]
        if name not in self.broken_off:
            return _send(request, 200, content, {})
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2])
        request.close_connection = True
        return None


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(content))} | headers).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)
