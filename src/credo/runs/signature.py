"""What a run's files were when credo left them, and whether this user's credo left them: `.hydra/signature.json`.

`files` has the SHA-256 of each file, by which damage is found. `hmac` is the HMAC-SHA256 (RFC 2104) of `files` by a key
that only the user can read and that no run's folder has, so that nobody else can make a folder that names code and
passes for the user's own. The key is a file of 64 hexadecimal digits, `credo/key` below `XDG_DATA_HOME` or
`~/.local/share`.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from credo import writing
from credo.errors import ConfigError
from credo.runs import files

FILE = Path(".hydra", "signature.json")

CODE = (".hydra/config.yaml", ".hydra/hydra.yaml", "model/model.yaml")
"""What names the code that runs when a run is resumed or predicts."""

CONFIGURATION = (".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml")

ANSWER = ("posterior.nc", "loo.csv", "summary.csv", "metrics.json", "verdict.json")
"""What no user edits, so that it is damaged where its hash is another one."""

MODEL = "model"
"""The folder of a model that can predict."""


class _Signed(TypedDict):
    files: dict[str, str]
    hmac: str | None


def begin(run: Path, *, own: bool = True) -> None:
    """Sign the configuration of a run that begins, or goes on.

    Args:
        run: its folder.
        own: whether what it names is the user's own word; otherwise it is not signed, and stays a stranger's.
    """
    _write(run, CONFIGURATION, own)


def complete(run: Path, *, own: bool = True) -> None:
    """Sign what a run leaves, which is complete."""
    model = sorted(str(file.relative_to(run)) for file in (run / MODEL).glob("*") if file.is_file())
    _write(run, (*CONFIGURATION, *ANSWER, *model), own)


def _write(run: Path, names: Iterable[str], own: bool) -> None:
    hashes = {name: digest(run / name) for name in names if (run / name).is_file()}
    key = _key(make=True) if own else None
    signed = {"files": hashes, "hmac": None if key is None else _hmac(key, hashes)}
    with suppress(OSError):  # a run does not fail because it cannot be signed: it is only asked for more, later
        writing.write(run / FILE, json.dumps(signed, indent=2) + "\n", writing.PRIVATE)


def is_own(run: Path) -> bool:
    """Whether this user's credo wrote the files of a folder that name code, as they are now."""
    signed, key = _read(run), _key()
    if signed is None or signed["hmac"] is None or key is None:
        return False
    hashes = signed["files"]
    there = [name for name in CODE if (run / name).exists()]
    return _same(signed["hmac"], _hmac(key, hashes)) and all(
        hashes.get(name) == _digest_if_readable(run / name) for name in there
    )


def require_whole(file: Path, run: Path, works: str) -> bool:
    """Refuse a file of an answer that is not as the run left it.

    Returns:
        Whether that is known; not of the runs of earlier versions, and of those that did not end.

    Raises:
        DamagedError: its hash is another one.
    """
    signed = _read(run)
    expected = None if signed is None else signed["files"].get(file.relative_to(run).as_posix())
    if expected is None:
        return False
    with files.reading(file, works):
        if digest(file) != expected:
            raise files.DamagedError(
                file, "is damaged (it is not as the run left it: its checksum is another one)", works
            )
    return True


def _read(run: Path) -> _Signed | None:
    """The signatures in a folder, if there are any that can be read."""
    try:
        signed: _Signed = files.plain_json(run / FILE, _Signed, "")
    except ConfigError:
        return None
    return signed


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _digest_if_readable(file: Path) -> str | None:
    try:
        return digest(file)
    except OSError:
        return None


def word(content: Mapping[str, object]) -> str | None:
    """The signature of something small that a file holds; `None` where the user has no key."""
    key = _key(make=True)
    return None if key is None else _hmac(key, content)


def is_own_word(content: Mapping[str, object], signed: object) -> bool:
    """Whether this user's credo signed something small."""
    key = _key()
    return key is not None and isinstance(signed, str) and _same(signed, _hmac(key, content))


def _same(signed: str, expected: str) -> bool:
    return hmac.compare_digest(signed.encode(errors="replace"), expected.encode())


def _hmac(key: bytes, content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(*, make: bool = False) -> bytes | None:
    """The user's key; `None` where there is none, and none can be made or kept private."""
    place = _place()
    if place is None:
        return None
    for _ in range(2):
        with suppress(OSError, ValueError):
            if _is_private(place):
                key = bytes.fromhex(place.read_text(encoding="ascii").strip())
                if len(key) == 32:
                    return key
        if not make:
            return None
        with suppress(OSError):
            _make(place)
    return None


def _place() -> Path | None:
    """Where the key is; `None` where the user has no folder of their own."""
    if base := os.environ.get("XDG_DATA_HOME"):
        return Path(base, "credo", "key") if Path(base).is_absolute() else None
    try:
        return Path.home() / ".local" / "share" / "credo" / "key"
    except RuntimeError:  # HOME is not set, and the user has no entry among the system's
        return None


def _is_private(place: Path) -> bool:
    """Whether nobody else can have read the key, or put it there."""
    if os.name == "nt":
        return place.is_file()
    state = place.lstat()
    return place.is_file() and not place.is_symlink() and state.st_uid == os.getuid() and not state.st_mode & 0o077


def _make(place: Path) -> None:
    """Make a key, unless another process is quicker; one that others could read is replaced."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = place.with_name(f".key-{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        if place.exists() or place.is_symlink():
            scratch.replace(place)
        else:
            os.link(scratch, place)
    except FileExistsError:  # another process was quicker
        pass
    finally:
        scratch.unlink(missing_ok=True)
