"""A hub on this machine: the few addresses that huggingface_hub asks for, over files in memory; it may be told to fail."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_of_a_test"
LARGE = 1000
"""Bytes from which a file goes the way of large ones."""


@dataclass
class Repository:
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0

    @property
    def sha(self) -> str:
        return hashlib.sha1(str(self.commits).encode()).hexdigest()


@dataclass
class Hub:
    """`faults[path]` is called with the handler instead of sending the file of that path; it returns whether it answered."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Callable[[Any, bytes], bool]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        if self.path == "/api/whoami-v2":
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self.say({"name": "me", "type": "user"} if known else {"error": "who?"}, 200 if known else 401)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/(.+?))?(\?.*)?", self.path):
            self.tell(found[1], found[3])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path):
            self.give(found[1], found[2])
        else:
            self.say({"error": "no such address"}, 404)

    def do_POST(self) -> None:
        self.hub.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            self.say({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.repositories[name] = Repository(private=bool(asked.get("private") or asked.get("visibility") == "private"))
            self.say({"url": f"{self.hub.url}/{name}"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = {one["path"]: "lfs" if one["size"] >= LARGE else "regular" for one in files}
            self.say({"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            actions = {one["oid"]: {"upload": {"href": f"{self.hub.url}/blobs/{one['oid']}"}} for one in objects}
            self.say({"transfer": "basic", "objects": [{**one, "actions": actions[one["oid"]]} for one in objects]})
        elif found := re.match(r"/api/models/([^/]+/[^/]+)/commit/", self.path):
            self.commit(self.hub.repositories[found[1]], [json.loads(line) for line in body.splitlines()], found[1])
        else:
            self.say({"error": "no such address"}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert hashlib.sha256(body).hexdigest() == self.path.rpartition("/")[2]
        self.hub.blobs[self.path.rpartition("/")[2]] = body
        self.say({})

    def commit(self, repository: Repository, lines: list[Any], name: str) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits += 1
        where = f"{self.hub.url}/{name}/commit/{repository.sha}"
        self.say({"success": True, "commitOid": repository.sha, "commitUrl": where, "hookOutput": ""})

    def tell(self, name: str, revision: str | None) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.say({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif revision not in (None, "main", repository.sha):
            self.say({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [{"rfilename": one} for one in repository.files]
            told = {"id": name, "modelId": name, "sha": repository.sha, "private": repository.private, "tags": []}
            self.say({**told, "siblings": siblings, "downloads": 0, "likes": 0})

    def give(self, name: str, path: str) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None or path not in repository.files:
            code = "RepoNotFound" if repository is None else "EntryNotFound"
            self.say({"error": "Entry not found"}, 404, {"X-Error-Code": code})
            return
        content = repository.files[path]
        if path in self.hub.faults and self.hub.faults[path](self, content):
            return
        self.send_content(content, repository.sha)

    def send_content(self, content: bytes, commit: str, *, cut: int | None = None) -> None:
        """All of it, or its head alone, after which the line goes dead."""
        self.send_response(200)
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True

    def say(self, values: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def running() -> Iterator[Hub]:
    """A hub at `url`, until the end of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
