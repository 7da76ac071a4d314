"""`ganreg push`: nothing is sent that was not told and agreed to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sharing.fake_hub import TOKEN, Hub, Repository, running

from .conftest import Run

pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")  # of the library, about its own call


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub", reason="pip install 'ganreg[hub]'")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # its servers speak a protocol of their own
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def sent(hub: Hub) -> list[str]:
    return [one for one in hub.asked if not one.startswith(("GET", "HEAD"))]


def test_what_would_be_sent_is_told_and_nothing_sent(run: Run, trained: Path, hub: Hub):
    status, out, err = run("push", "latest", "me/ring", "--dry-run")

    assert (status, err) == (0, "")
    assert out.startswith(f"to {hub.url}/me/ring:\n")
    for name in ("README.md", "config.json", "generator.safetensors", "manifest.json", "samples.png"):
        assert f"\n{name} " in out
    assert out.endswith("nothing was sent\n")
    assert hub.asked == []


def test_it_is_sent_for_who_says_yes_and_comes_back(run: Run, trained: Path, hub: Hub):
    status, out, err = run("push", "latest", "me/ring", "--private", "--yes", "--license", "mit")

    assert (status, err) == (0, "")
    assert f"a new repository; you alone see it; you are me\n{hub.url}/me/ring\n" in out
    assert TOKEN not in out
    repository = hub.repositories["me/ring"]
    assert repository.private
    assert b"license: mit" in repository.files["README.md"]
    assert b"ganreg pull me/ring" in repository.files["README.md"]

    pulled = run("pull", "me/ring")
    assert (pulled.status, pulled.err) == (0, "")
    assert pulled.out == f"ring, commit {repository.sha[:12]}: mlp, samples of 2, trained for 3 steps\nganreg sample ring\n"
    assert run("sample", "ring", "-n", "4", "--out", "a.npz").status == 0
    assert run("sample", str(trained), "-n", "4", "--out", "b.npz").status == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_where_nobody_can_be_asked_nothing_is_sent(run: Run, trained: Path, hub: Hub):
    status, _, err = run("push", "latest", "me/ring")

    assert status == 2
    assert err.startswith("error[GR100]: there is nobody to ask whether to send this\n")
    assert "fix: add --yes" in err
    assert sent(hub) == []


@pytest.mark.parametrize(("answer", "goes"), [(False, False), (True, True)])
def test_whoever_is_asked_decides(run: Run, trained: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, answer: bool, goes: bool):
    monkeypatch.setattr("ganreg.cli.push._agreed", lambda: answer)
    status, out, _ = run("push", "latest", "me/ring")

    assert status == 0
    assert ("nothing was sent" in out) is not goes
    assert bool(sent(hub)) is goes


def test_a_public_repository_is_not_taken_for_a_private_one(run: Run, trained: Path, hub: Hub):
    hub.repositories["me/ring"] = Repository(files={"generator.onnx": b"old"}, commits=1)
    status, _, err = run("push", "latest", "me/ring", "--private", "--yes")

    assert status == 2
    assert err.startswith("error[GR100]: the repository is there and public\n")
    assert sent(hub) == []
    status, out, _ = run("push", "latest", "me/ring", "--yes")
    assert status == 0
    assert (
        "a repository that is there; everybody sees it; you are me\ngenerator.onnx, of another format, will be removed" in out
    )
    assert "generator.onnx" not in hub.repositories["me/ring"].files


def test_an_exported_folder_is_sent_as_it_is(run: Run, trained: Path, hub: Hub):
    assert run("export", "latest", "--out", "e").status == 0
    Path("e/README.md").write_text("# Mine\n")
    Path("e/notes.txt").write_text("not to be sent")

    refused = run("push", "e", "me/ring", "--license", "mit", "--yes")
    assert (refused.status, sent(hub)) == (2, [])
    assert "an exported folder is sent as it is" in refused.err
    assert run("push", "e", "me/ring", "--yes").status == 0
    assert hub.repositories["me/ring"].files["README.md"] == b"# Mine\n"
    assert "notes.txt" not in hub.repositories["me/ring"].files
    Path("e/generator.safetensors").write_bytes(b"damaged")
    damaged = run("push", "e", "me/ring", "--yes")
    assert (damaged.status, damaged.err.partition(":")[0]) == (6, "error[GR502]")


@pytest.mark.parametrize("word", ["ring", "./folder", "a/b/c"])
def test_a_word_that_is_no_repository_is_refused(run: Run, trained: Path, word: str):
    status, _, err = run("push", "latest", word, "--yes")

    assert status == 2
    assert err.startswith(f"error[GR100]: a repository is user/name, got '{word}'\n")
    assert err.endswith("fix: ganreg push latest user/name\n")
