"""Data folders: what a county's and a station's folder hold, who may read it, and who works on it now."""

from __future__ import annotations

import fcntl
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tomli_w
from cryptography import x509

from provisioning import ProvisioningError
from provisioning.authority import Authority, fingerprint
from provisioning.keys import StationKey, county_station
from provisioning.line import Post
from provisioning.whole_files import make_private_folder, write_whole

CONFIG = "config.toml"
KEY = "key.pem"
AUTHORITY = "authority.pem"
AUTHORITY_KEY = "authority-key.pem"
DATABASES = "couch"
LOCK = "lock"
LOG = "log"


class FolderError(ProvisioningError):
    """A data folder that cannot be used as asked; the message says what to do."""


class NotAFolder(FolderError):
    """There is nothing of ours here."""


class WrongKind(FolderError):
    """A county's folder where a station's is needed, or the other way round."""


class HalfMade(FolderError):
    """The making of this folder was interrupted; doing it again goes on where it stopped."""


class AlreadyMade(FolderError):
    """The folder is already what somebody wants to make it."""


class FolderLocked(FolderError):
    """Somebody works on this folder; a running service may do the work instead (`run_through`)."""


class OperationRefused(FolderError):
    """The running service was asked and said no; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Service:
    """Who holds a folder: `url` and `secret` only while a service answers there."""

    pid: int
    url: str | None = None
    secret: str | None = None


class Lock:
    """A held folder. The operating system lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FolderLocked(_who_holds(path)) from None
        self._write({"pid": os.getpid()})

    def announce(self, url: str, secret: str) -> None:
        """Say where commands on this folder can be sent, once the service answers there."""
        self._write({"pid": os.getpid(), "url": url, "secret": secret})

    def release(self) -> None:
        if self._descriptor >= 0:
            # The file itself stays: unlinking it would let two processes lock two different files.
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, holder: dict[str, Any]) -> None:
        os.fchmod(self._descriptor, 0o600)
        content = json.dumps(holder).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _who_holds(path: Path) -> str:
    holder = holder_of(path.parent)
    who = f"process {holder.pid}" if holder else "another process"
    return f"{path.parent} is in use by {who}."


def holder_of(folder: Path) -> Service | None:
    """What the lock's holder has written about itself; None when there is nothing legible."""
    try:
        said = json.loads((folder / LOCK).read_bytes())
        return Service(int(said["pid"]), said.get("url"), said.get("secret"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_through(folder: Path, operation: str, arguments: Mapping[str, Any], *, post: Post) -> dict[str, Any]:
    """Let the service that holds `folder` do `operation` (a name of `provisioning.operations.OPERATIONS`).

    Raises `FolderLocked` when whoever holds the folder offers no such service, `OperationRefused` with its
    sentence when the service says no, and `sync.peer.PeerError` when it does not answer.
    """
    holder = holder_of(folder)
    if holder is None or holder.url is None or holder.secret is None:
        raise FolderLocked(f"{_who_holds(folder / LOCK)} Wait until it is done, then run the command again.")
    answer = post(
        f"{holder.url}/api/v1/operations/{operation}",
        json.dumps(dict(arguments)).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {holder.secret}"},
    )
    said = answer.json()
    if answer.status != 200:
        raise OperationRefused(str(said.get("message", f"HTTP {answer.status}")), answer.status)
    return said


def _config(path: Path, kind: str) -> dict[str, Any]:
    """The folder's `config.toml`, or the error that says what this folder is instead."""
    try:
        config = tomllib.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if (path / KEY).exists() or (path / AUTHORITY_KEY).exists():
            redo = "provision county init" if (path / AUTHORITY_KEY).exists() else "provision enrol"
            raise HalfMade(f"{path} was begun and not finished: run `yizhan {redo}` again, it goes on.") from None
        raise NotAFolder(f"{path} is not a data folder of ours: it has no {CONFIG}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HalfMade(f"{path / CONFIG} cannot be read: {error}. Put it right or restore it.") from None
    found = config.get("kind")
    if found not in ("county", "station"):
        raise NotAFolder(f'{path / CONFIG} does not say kind = "county" or "station".')
    if found != kind:
        raise WrongKind(f"{path} is a {found}'s folder; this needs a {kind}'s.")
    return config


@dataclass(frozen=True)
class CountyFolder:
    """The county centre's data folder. `code` is the county's six digits.

    `contact_interval_s` is the pace that stations are given at enrolment; 0 leaves it to them (4 s busy, 120
    s idle).
    """

    path: Path
    code: str
    name: str
    listen: str
    contact_interval_s: int
    # Which of the county's keys signs: each renewal makes the next.
    key_serial: int = 1

    @classmethod
    def open(cls, path: Path) -> CountyFolder:
        config = _config(path, "county")
        try:
            return cls(
                path,
                str(config["code"]),
                str(config["name"]),
                str(config["listen"]),
                int(config["contact_interval_s"]),
                int(config.get("key_serial", 1)),
            )
        except (KeyError, ValueError) as error:
            raise HalfMade(f"{path / CONFIG} lacks or garbles {error}.") from None

    def finish(self) -> None:
        """Write `config.toml`: the last step, before which this is nobody's folder."""
        _write_config(
            self.path,
            {
                "kind": "county",
                "code": self.code,
                "name": self.name,
                "listen": self.listen,
                "contact_interval_s": self.contact_interval_s,
                "key_serial": self.key_serial,
            },
        )

    @property
    def station(self) -> str:
        """The county as a twelve-digit code, as it stands in keys and timestamps."""
        return county_station(self.code)

    @property
    def databases(self) -> Path:
        return self.path / DATABASES

    def authority(self) -> Authority:
        try:
            return Authority.load(self.path / AUTHORITY, self.path / AUTHORITY_KEY)
        except FileNotFoundError as error:
            raise FolderError(f"{error.filename} is missing: restore it from the county's backup.") from None

    def key(self) -> StationKey:
        return StationKey.load(self.key_path, self.station, self.key_serial)

    @property
    def key_path(self) -> Path:
        """A file for each key: which one signs changes with `config.toml`, whole."""
        return self.path / (KEY if self.key_serial == 1 else f"key-{self.key_serial}.pem")

    def lock(self) -> Lock:
        return Lock(self.path / LOCK)


@dataclass(frozen=True)
class StationFolder:
    """A station's data folder: whose it is, which county enrolled it, and what it trusts."""

    path: Path
    code: str
    name: str
    kind: str
    parent: str
    county: str
    county_name: str
    county_url: str
    authority_fingerprint: str
    key_serial: int
    contact_interval_s: int
    display_host: str = "127.0.0.1"
    # Working days within which the station hands in papers that others decide on (its own rule, 代办材料交接).
    hand_in_days: int = 3
    # After so many days without word from the county the guide is said to be old.
    catalogue_stale_days: int = 7

    @classmethod
    def open(cls, path: Path) -> StationFolder:
        config = _config(path, "station")
        try:
            return cls(
                path,
                code=str(config["code"]),
                name=str(config["name"]),
                kind=str(config["station_kind"]),
                parent=str(config["parent"]),
                county=str(config["county"]),
                county_name=str(config["county_name"]),
                county_url=str(config["county_url"]),
                authority_fingerprint=str(config["authority_fingerprint"]),
                key_serial=int(config["key_serial"]),
                contact_interval_s=int(config["contact_interval_s"]),
                display_host=str(config.get("display_host", "127.0.0.1")),
                hand_in_days=int(config.get("hand_in_days", 3)),
                catalogue_stale_days=int(config.get("catalogue_stale_days", 7)),
            )
        except (KeyError, ValueError) as error:
            raise HalfMade(f"{path / CONFIG} lacks or garbles {error}.") from None

    def finish(self) -> None:
        """Write `config.toml`: the last step of enrolment."""
        _write_config(
            self.path,
            {
                "kind": "station",
                "code": self.code,
                "name": self.name,
                "station_kind": self.kind,
                "parent": self.parent,
                "county": self.county,
                "county_name": self.county_name,
                "county_url": self.county_url,
                "authority_fingerprint": self.authority_fingerprint,
                "key_serial": self.key_serial,
                "contact_interval_s": self.contact_interval_s,
                "display_host": self.display_host,
                "hand_in_days": self.hand_in_days,
                "catalogue_stale_days": self.catalogue_stale_days,
            },
        )

    @property
    def databases(self) -> Path:
        return self.path / DATABASES

    def key(self) -> StationKey:
        return StationKey.load(self.path / KEY, self.code, self.key_serial)

    def authority_certificate(self) -> x509.Certificate:
        """The authority that enrolment pinned; a file that is not it is refused."""
        certificate = x509.load_pem_x509_certificate((self.path / AUTHORITY).read_bytes())
        if fingerprint(certificate) != self.authority_fingerprint:
            raise FolderError(f"{self.path / AUTHORITY} is not the authority this station was enrolled with.")
        return certificate

    def lock(self) -> Lock:
        return Lock(self.path / LOCK)


def _write_config(path: Path, config: dict[str, Any]) -> None:
    make_private_folder(path)
    for name in (DATABASES, LOG):
        make_private_folder(path / name)
    write_whole(path / CONFIG, tomli_w.dumps(config).encode())
