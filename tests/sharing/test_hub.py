"""Sent to and fetched from a hub on this machine, through the real huggingface_hub; every fault of a download tried."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import ganreg
from ganreg.assembly import exported
from ganreg.assembly.load import Trained
from ganreg.errors import CheckpointError, HubError, MissingExtraError, RunBusyError, RunExistsError, UsageError
from ganreg.sharing import folder, placing
from ganreg.sharing import hub as ours

from .fake_hub import Hub, Repository

NAME = "me/digits"
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")  # of the library, about its own call


def published(hub_: Hub, trained: Trained) -> Repository:
    """An export, as a push leaves it there."""
    made = folder.with_manifest(folder.export(trained, "safetensors", repository=NAME).files)
    hub_.repositories[NAME] = Repository(files=dict(made), commits=1)
    return hub_.repositories[NAME]


def test_what_is_sent_is_fetched_and_makes_the_same_samples(hub: Hub, trained: Trained, tmp_path: Path, monkeypatch):
    files = folder.with_manifest(folder.export(trained, "safetensors", repository=NAME).files)
    place = ours.look(NAME, files)
    assert (place.user, place.private, place.stale) == ("me", None, ())
    assert not [one for one in hub.asked if one.startswith(("POST", "PUT"))]

    address = ours.send(place, files, private=True, message="Add it")
    assert address == f"{hub.url}/{NAME}"
    assert hub.repositories[NAME].private
    assert hub.repositories[NAME].files == files
    assert hub.blobs  # the weights went the way of large files

    commit = ours.fetch(NAME, tmp_path / "got")
    assert commit == hub.repositories[NAME].sha
    assert sorted(one.name for one in (tmp_path / "got").iterdir()) == sorted(files)
    exported.verify(tmp_path / "got")
    z, labels = torch.randn(3, 4), torch.tensor([1, 2, 3])
    assert torch.equal(ganreg.load_generator(tmp_path / "got")(z, labels), trained.generator(z, labels))
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_the_graph_of_before_is_removed_by_the_commit_that_brings_another(hub: Hub, trained: Trained):
    hub.repositories[NAME] = Repository(files={"generator.onnx": b"old", "notes.md": b"mine"}, commits=1)
    files = folder.with_manifest(folder.export(trained, "safetensors").files)
    place = ours.look(NAME, files)
    ours.send(place, files, private=False, message="Replace it")

    assert (place.private, place.stale) == (False, ("generator.onnx",))
    assert hub.repositories[NAME].files == {**files, "notes.md": b"mine"}
    assert not hub.repositories[NAME].private


def cut(handler: Any, content: bytes) -> bool:
    if handler.command == "HEAD":
        return False
    handler.send_content(content, "0" * 40, cut=0 if "Range" in handler.headers else len(content) // 2)
    return True


def test_a_download_that_is_cut_is_never_used(hub: Hub, trained: Trained, tmp_path: Path, monkeypatch):  # D13
    published(hub, trained)
    hub.faults["generator.safetensors"] = cut
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    out = tmp_path / "got"

    with pytest.raises(HubError, match=r"error\[GR309\]: fetching failed"):
        ours.fetch(NAME, out)
    assert not out.exists()
    assert (tmp_path / ".got.part" / "config.json").exists()
    assert not (tmp_path / ".got.part" / "generator.safetensors").exists()

    hub.faults.clear()
    hub.asked.clear()
    ours.fetch(NAME, out)
    assert not [one for one in hub.asked if one.startswith("GET") and one.endswith("config.json")]  # it was there
    exported.verify(out)


def test_a_wrong_checksum_is_shown_and_the_file_not_used(hub: Hub, trained: Trained, tmp_path: Path):  # D13
    repository = published(hub, trained)
    right = repository.files["generator.safetensors"]
    repository.files["generator.safetensors"] = right[:-1] + bytes([right[-1] ^ 1])
    wanted = json.loads(repository.files["manifest.json"])["files"]["generator.safetensors"]["sha256"]

    with pytest.raises(HubError, match=rf"generator.safetensors has [\d,]+ bytes and the sha256 [0-9a-f]+, .*{wanted}"):
        ours.fetch(NAME, tmp_path / "got")
    assert not (tmp_path / "got").exists()

    repository.files["generator.safetensors"] = right
    ours.fetch(NAME, tmp_path / "got")
    exported.verify(tmp_path / "got")


def test_what_is_not_there_is_told(hub: Hub, trained: Trained, tmp_path: Path):  # D13
    with pytest.raises(HubError, match="there is no such repository, or you may not see it"):
        ours.fetch("me/nothing", tmp_path / "got")
    published(hub, trained)
    with pytest.raises(HubError, match="the repository has no such revision"):
        ours.fetch(NAME, tmp_path / "got", revision="v9")
    hub.repositories["me/other"] = Repository(files={"model.bin": b"x"}, commits=1)
    with pytest.raises(HubError, match="holds no generator that ganreg exported"):
        ours.fetch("me/other", tmp_path / "other")
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / "other").exists()


def test_a_file_that_the_manifest_promises_and_that_is_not_there_is_told(hub: Hub, trained: Trained, tmp_path: Path):
    del published(hub, trained).files["generator.safetensors"]

    with pytest.raises(HubError, match="GR309"):
        ours.fetch(NAME, tmp_path / "got")


@pytest.mark.parametrize("where", ["http://localhost:{port}/elsewhere", "http://example.invalid/elsewhere"])
def test_a_redirect_to_plain_http_is_not_followed(hub: Hub, trained: Trained, tmp_path: Path, where: str):  # D13
    published(hub, trained)
    there = where.format(port=hub.url.rpartition(":")[2])

    def away(handler: Any, content: bytes) -> bool:
        handler.say({}, 302, {"Location": there, "ETag": '"a"', "X-Repo-Commit": "0" * 40, "X-Linked-Size": str(len(content))})
        return True

    hub.faults["generator.safetensors"] = away

    with pytest.raises(HubError, match=r"the hub sends us to http://(localhost|example\.invalid), over which anybody"):
        ours.fetch(NAME, tmp_path / "got")
    assert not [one for one in hub.asked if "elsewhere" in one]
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize(
    ("url", "endpoint", "allowed"),
    [
        ("https://cdn.example/x", "https://hub.example", True),
        ("http://hub.example/x", "https://hub.example", False),
        ("http://127.0.0.1:81/x", "http://127.0.0.1:80", False),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:80", True),
        ("ftp://hub.example/x", "https://hub.example", False),
    ],
)
def test_nothing_travels_in_the_open(url: str, endpoint: str, allowed: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    if allowed:
        ours.check_transport(url)
        return
    with pytest.raises(HubError):
        ours.check_transport(url)


@pytest.mark.parametrize("foreign", ["generator.onnx", "generator.pt2"])
def test_a_graph_is_not_fetched(hub: Hub, trained: Trained, tmp_path: Path, foreign: str):
    files = {name: one for name, one in published(hub, trained).files.items() if name != "generator.safetensors"}
    hub.repositories[NAME].files = folder.with_manifest(
        {**{name: one for name, one in files.items() if name != "manifest.json"}, foreign: b"graph"}
    )

    with pytest.raises(HubError, match=f"the repository holds {foreign}, not a generator's weights"):
        ours.fetch(NAME, tmp_path / "got")
    assert not [one for one in hub.asked if foreign in one]


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"[]", "manifest.json: it holds no JSON object"),
        (b'{"format": "ganreg-generator", "format_version": 1, "files": {"../x.json": {}}}', "by plain names"),
        (b'{"format": "ganreg-generator", "format_version": 99, "files": {}}', "this ganreg reads 1"),
        (b"\xff", "it is no JSON"),
    ],
)
def test_a_hostile_manifest_is_refused(hub: Hub, trained: Trained, tmp_path: Path, manifest: bytes, told: str):
    published(hub, trained).files["manifest.json"] = manifest

    with pytest.raises(HubError, match=told):
        ours.fetch(NAME, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_an_edited_card_is_taken_and_a_missing_one_too(hub: Hub, trained: Trained, tmp_path: Path):
    repository = published(hub, trained)
    repository.files["README.md"] = b"mine"
    ours.fetch(NAME, tmp_path / "edited")
    del repository.files["README.md"]
    ours.fetch(NAME, tmp_path / "without")

    assert (tmp_path / "edited" / "README.md").read_bytes() == b"mine"
    assert not (tmp_path / "without" / "README.md").exists()
    assert ganreg.load_generator(tmp_path / "without").latent_dim == 4


def test_a_folder_that_is_there_stays_unless_forced(hub: Hub, trained: Trained, tmp_path: Path):
    published(hub, trained)
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "mine.txt").write_text("precious")
    with pytest.raises(RunExistsError, match="there is something else already"):
        ours.fetch(NAME, tmp_path / "got", force=True)
    shutil.rmtree(tmp_path / "got")
    ours.fetch(NAME, tmp_path / "got")
    (tmp_path / "got" / "mine.txt").write_text("precious")
    with pytest.raises(RunExistsError, match="there is an export already"):
        ours.fetch(NAME, tmp_path / "got")
    ours.fetch(NAME, tmp_path / "got", force=True)

    assert (tmp_path / "got" / "mine.txt").read_text() == "precious"


def test_two_at_once_do_not_mix(hub: Hub, trained: Trained, tmp_path: Path):
    published(hub, trained)
    with placing.alone(tmp_path / "got"), pytest.raises(RunBusyError, match="another process writes this export"):
        ours.fetch(NAME, tmp_path / "got")
    ours.fetch(NAME, tmp_path / "got")

    assert [path.name for path in tmp_path.iterdir() if "got" in path.name] == ["got"]


def test_whoever_is_not_logged_in_is_told_how(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_and_secret")
    with pytest.raises(HubError, match="you are not logged in") as wrong:
        ours.look(NAME, {})
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="you are not logged in") as none:
        ours.look(NAME, {})

    assert none.value.fix == "hf auth login"
    assert "hf_wrong" not in str(wrong.value)


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(HubError, match=r"GR309.*fetching failed"):
        ours.fetch(NAME, tmp_path / "got")


@pytest.mark.parametrize("word", ["digits", "a/b/c", "../x", "https://hub/x", "a/b c", ""])
def test_a_word_that_is_no_repository_is_refused(word: str):
    with pytest.raises(UsageError, match="a repository is user/name"):
        ours.check_repository(word, fix="ganreg pull user/name")


def test_without_its_extra_it_is_told_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(MissingExtraError, match=r"needs huggingface_hub.*") as told:
        ours.fetch(NAME, tmp_path / "got")
    assert told.value.fix == "pip install 'ganreg[hub]'"


def test_a_damaged_download_does_not_load(hub: Hub, trained: Trained, tmp_path: Path):
    published(hub, trained)
    ours.fetch(NAME, tmp_path / "got")
    path = tmp_path / "got" / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match=r"GR502.*truncated"):
        ganreg.load_generator(tmp_path / "got")
