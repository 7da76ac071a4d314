"""The Hugging Face hub, through its own library: what is to be sent is told first, what arrives is verified before it is used.

- Tokens are the library's own business (`hf auth login`); none is read, kept or shown here.
- Sent: one commit, or nothing.  A generator's file of another format that lies there is removed by the same commit.
- Fetched: the files of one commit, as one manifest lists them; weights are safetensors, and nothing that could run is taken.
- Nothing travels over plain http, but to a hub that HF_ENDPOINT itself names so.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from ganreg import __version__
from ganreg.assembly import exported
from ganreg.errors import CheckpointError, HubError, StorageError, UsageError, reason_of
from ganreg.extras import imported
from ganreg.sharing import folder, placing
from ganreg.sharing.placing import CARD

PUBLIC = "https://huggingface.co"
REPOSITORY = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}")
TAKEN = (".safetensors", ".json", ".png")
"""Endings of what is fetched, beside the card."""

MOST_CARD = 1 << 20  # bytes


@dataclass(frozen=True)
class Place:
    """A repository as it is on the hub before anything is sent."""

    repository: str
    user: str
    private: bool | None
    """None for one that is not there yet."""
    stale: tuple[str, ...] = ()
    """Files of a generator in another format, which the commit would remove."""


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, or the public one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or PUBLIC


def check_repository(word: str, *, fix: str) -> str:
    """ "user/name".  Raises UsageError, with a command that is right as the fix."""
    if not REPOSITORY.fullmatch(word):
        raise UsageError(f"a repository is user/name, got {word!r}", at=word, fix=fix)
    return word


def look(repository: str, names: Mapping[str, bytes]) -> Place:
    """Who would send, and to what.  Raises HubError, MissingExtraError."""
    hub = _library("ganreg push")
    with _told(hub, repository, doing="sending"):
        api = _api(hub)
        user = str(api.whoami().get("name", ""))
        try:
            info = api.model_info(repository)
        except hub.errors.RepositoryNotFoundError:
            return Place(repository, user, None)
        there = [one.rfilename for one in info.siblings or ()]
        stale = tuple(name for name in there if re.fullmatch(r"generator\.\w+", name) and name not in names)
        return Place(repository, user, bool(info.private), stale)


def send(place: Place, files: Mapping[str, bytes], *, private: bool, message: str) -> str:
    """Make the repository where it is not there, and send all files as one commit -> its address.  Raises HubError."""
    hub = _library("ganreg push")
    with _told(hub, place.repository, doing="sending"):
        api = _api(hub)
        if place.private is None:
            api.create_repo(place.repository, private=private, exist_ok=False)
        operations: list[Any] = [hub.CommitOperationAdd(name, content) for name, content in files.items()]
        operations += [hub.CommitOperationDelete(name) for name in place.stale]
        api.create_commit(place.repository, operations, commit_message=message)
    return f"{endpoint()}/{place.repository}"


def fetch(repository: str, out: Path, *, revision: str | None = None, force: bool = False) -> str:
    """Fetch the files of one commit into `out` -> the commit.

    Until every digest is right they lie in `.NAME.part` beside it, which the next try goes on from.
    Raises HubError, RunExistsError, RunBusyError, StorageError, MissingExtraError.
    """
    hub = _library("ganreg pull")
    folder.check_target(out, "safetensors", force=force)
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with placing.alone(out):
            commit = _fetch_commit(hub, repository, part, revision)
            for name in placing.others(part):  # the library's notes, and what a try for another repository left
                path = part / name
                path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)
            placing.take_place(part, out)
    except OSError as error:
        raise StorageError(
            f"the folder cannot be written: {error.strerror or error}", at=str(out), fix="give another --out"
        ) from error
    return commit


def _fetch_commit(hub: ModuleType, repository: str, part: Path, revision: str | None) -> str:
    """All files of it, each as the manifest says -> the commit.  Raises HubError."""
    with _told(hub, repository, doing="fetching"):
        commit = str(_api(hub).model_info(repository, revision=revision).sha)

        def get(name: str, *, again: bool = False) -> Path:
            hub.hf_hub_download(
                repository, name, revision=commit, local_dir=part, endpoint=endpoint(), force_download=again, **_who()
            )
            return part / name

        _fetch_into(part, get, hub, repository)
    return commit


def _fetch_into(part: Path, get: Any, hub: ModuleType, repository: str) -> None:
    """All that belongs to the generator, and the card, which is for people and may be anything, or nothing."""
    try:
        part.mkdir(parents=True, exist_ok=True)
        _fetch_all(get, part, repository)
    except hub.errors.EntryNotFoundError as error:
        raise HubError(
            f"the repository holds no generator that ganreg exported: {reason_of(error)}",
            at=repository,
            fix="ask whoever published it to use ganreg push",
        ) from error
    try:
        if get(CARD).stat().st_size > MOST_CARD:
            (part / CARD).unlink()
    except hub.errors.EntryNotFoundError:
        (part / CARD).unlink(missing_ok=True)  # of a try before


def _fetch_all(get: Any, part: Path, repository: str) -> None:
    """The manifest, then all that it lists; each file is read again, and compared.  Raises HubError."""
    try:
        get(exported.MANIFEST, again=True)
        files = exported.manifest(part)
    except CheckpointError as error:
        raise _unlike(f"{exported.MANIFEST}: {error.what}", repository) from error
    foreign = [name for name in files if not name.endswith(TAKEN)]
    if foreign or not {exported.CONFIG, exported.WEIGHTS} <= files.keys():
        raise HubError(
            f"the repository holds {', '.join(foreign) or 'no weights'}, not a generator's weights as safetensors",
            at=repository,
            fix="ask whoever published it for --format safetensors; a graph is fetched by hand: hf download",
        )
    for name, entry in files.items():
        path = part / name
        get(name, again=path.exists() and _sha256(path) != entry["sha256"])
        size, found = path.stat().st_size, _sha256(path)
        if (size, found) != (entry["size"], entry["sha256"]):
            raise _unlike(
                f"{name} has {size:,} bytes and the sha256 {found}, the manifest says {entry['size']:,} and {entry['sha256']}",
                repository,
            )
    exported.about(part)


def _library(verb: str) -> ModuleType:
    library = imported("huggingface_hub", extra="hub", at=verb)
    imported("huggingface_hub.errors", extra="hub", at=verb)  # a name of the package once it is imported
    return library


def _who() -> dict[str, str]:
    return {"library_name": "ganreg", "library_version": __version__}


def _api(hub: ModuleType) -> Any:
    return hub.HfApi(endpoint=endpoint(), **_who())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def origin_of(url: str) -> tuple[str, str, int | None]:
    """ "http://127.0.0.1:8000/a" -> ("http", "127.0.0.1", 8000)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port


def check_transport(url: str) -> None:
    """Whether a request may go there: https, or the very hub that HF_ENDPOINT names.  Raises HubError."""
    if origin_of(url)[0] != "https" and origin_of(url) != origin_of(endpoint()):
        where = "{}://{}".format(*origin_of(url)[:2])
        raise HubError(
            f"the hub sends us to {where}, over which anybody on the way could read and change what travels",
            at=endpoint(),
            fix="use a hub that answers over https",
        )


@contextmanager
def _told(hub: ModuleType, repository: str, *, doing: str) -> Iterator[None]:
    """The library's errors in our words; every request, redirected ones too, is looked at before it leaves."""
    tools = imported("huggingface_hub.utils", extra="hub", at=doing)

    def look(request: Any) -> None:
        check_transport(str(request.url))

    base: type[Exception] = hub.errors.HfHubHTTPError.__bases__[0]  # of httpx, under whichever name the library has it
    session = tools.get_session()
    hooks = session.event_hooks
    session.event_hooks = {**hooks, "request": [look, *hooks.get("request", ())]}
    had_bars = not tools.are_progress_bars_disabled()
    tools.disable_progress_bars()
    try:
        yield
    except (base, OSError, ValueError, RuntimeError) as error:
        raise _in_our_words(hub, error, repository, doing) from error
    finally:
        session.event_hooks = hooks
        if had_bars:
            tools.enable_progress_bars()


def _in_our_words(hub: ModuleType, error: Exception, repository: str, doing: str) -> HubError:
    errors = hub.errors
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.LocalTokenNotFoundError) or (status == 401 and doing == "sending"):
        return HubError("you are not logged in to the hub", at=endpoint(), fix="hf auth login")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError("the repository has no such revision", at=repository, fix="leave --revision out")
    if isinstance(error, errors.RepositoryNotFoundError):
        what = "there is no such repository, or you may not see it"
        return HubError(what, at=f"{endpoint()}/{repository}", fix="check the name; for a private one: hf auth login")
    if status is not None:
        return HubError(f"the hub answered {status} while {doing}: {reason_of(error)}", at=repository, fix="try again later")
    fate = "nothing was published" if doing == "sending" else "what came so far is not used before all of it is there"
    return HubError(f"{doing} failed: {reason_of(error)}", at=endpoint(), fix=f"try again; {fate}")


def _unlike(what: str, repository: str) -> HubError:
    return HubError(what, at=repository, fix="pull it again; if that does not help, whoever published it has to push it again")
