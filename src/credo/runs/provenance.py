"""Where an answer comes from: all that is needed to compute it again, and a fingerprint of the experiment."""

import getpass
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import credo
from credo import writing
from credo.secrets import masked

PACKAGES = (
    "jax",
    "jaxlib",
    "numpyro",
    "equinox",
    "optax",
    "numpy",
    "scipy",
    "xarray",
    "arviz-base",
    "arviz-stats",
    "hydra-core",
    "mlflow",
)
"""Packages whose versions may change an answer, or what is said of it."""

LISTENERS = ("tracking", "report", "export")
"""Config groups that only listen to a run: they cannot change its answer and are no part of the experiment."""

NOT_IDENTITY = (
    *LISTENERS,
    "name",
    "objective",
    "sweep",
    "data.max_gb",
    "device.compilation_cache",
    "inference.checkpoint",
)
"""Keys that do not change which experiment a configuration is."""

DIFF_LIMIT = 200_000
"""Characters of a git diff that are kept; a data file changed by mistake must not swell every run."""

GIT_SECONDS = 10


def collect(seed: int, data_hash: str, start_folder: Path) -> dict[str, Any]:
    """Describe the circumstances of a run, without importing anything heavy.

    Args:
        seed: the run's seed.
        data_hash: the hash of its data set.
        start_folder: the folder in which `credo` was started.

    Returns:
        `seed, data_hash, started` (ISO 8601, UTC), `command` (what was typed), `versions` (package to version, `None`
        where it is not installed), `python, platform, hostname, user, cpu_count`, and `git` (see `repository`).
    """
    return {
        "seed": seed,
        "data_hash": data_hash,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": masked(sys.argv),
        "versions": {"credo": credo.__version__} | {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": platform.node(),
        "user": _user(),
        "cpu_count": os.cpu_count(),
        "git": repository(start_folder),
    }


def write(provenance: Mapping[str, Any], path: Path) -> None:
    """Write `provenance` as JSON that a person can read."""
    writing.write(path, json.dumps(masked(provenance), indent=2, default=str) + "\n")


def fingerprint(config: Mapping[str, Any], data_hash: str, code_hash: str | None = None) -> str:
    """The fingerprint of an experiment: equal configurations, data and code have equal ones.

    What is in `NOT_IDENTITY` is left out, because what a run is called, where it is recorded and how it is shown do not
    change its answer. Everything else counts, the checks of its verdict, the device and the way the chains run
    included: the last two change the random draws.

    Args:
        config: the resolved configuration, as plain containers.
        data_hash: the hash of the data set.
        code_hash: the hash of the user's own code, `None` where the configuration names none.

    Returns:
        A SHA-256 in hexadecimal over the canonical JSON (sorted keys, no spaces) of what is left.
    """
    parts = {"config": identity(config), "data": data_hash} | ({} if code_hash is None else {"code": code_hash})
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that makes it this experiment: all but `NOT_IDENTITY`, and what is not there."""
    none = [key for key in ("evidence", "calibrate") if not config.get(key)]
    from credo.config import schema  # takes time to load

    model = config.get("model")
    none += [f"model.{key}" for key in schema.BESIDE["model"] if isinstance(model, Mapping) and not model.get(key)]
    inference, device = config.get("inference"), config.get("device")
    if isinstance(device, Mapping):
        none += ["device.mesh"] if device.get("mesh") is None else []
        devices = device.get("num_devices")
        config = {**config, "device": {**device, "num_devices": None if devices == "auto" else devices}}
    if isinstance(inference, Mapping):
        none += ["inference.groups"] if inference.get("groups") == 1 else []
        none += ["inference.group"] if inference.get("group") is None else []
    return _without(config, (*NOT_IDENTITY, *none))


def _without(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The configuration without keys, which may have a dot: `device.compilation_cache`."""
    dropped = [key.split(".", 1) for key in keys]
    whole = {path[0] for path in dropped if len(path) == 1}
    inner = {group: [path[1] for path in dropped if path[0] == group and len(path) == 2] for group in config}
    return {
        key: _without(value, inner[key]) if inner[key] and isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in whole
    }


def repository(folder: Path) -> dict[str, Any] | None:
    """Describe the git work tree around `folder`; `None` outside one, or where there is no git.

    Returns:
        `commit` and `branch` (`None` before the first commit and on a detached head), `dirty` (tracked files differ
        from the commit), `diff` (at most `DIFF_LIMIT` characters of it, `None` where there is none), and `untracked`
        (files that git neither knows nor ignores: code among them is not described by the commit).
    """
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=normal")
    if status is None:
        return None
    head = dict(re.findall(r"^# branch\.(oid|head) (.*)$", status, flags=re.MULTILINE))
    commit = head.get("oid", "(initial)")
    dirty = re.search(r"^[12u] ", status, flags=re.MULTILINE) is not None
    diff = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "HEAD") if dirty and commit != "(initial)" else None
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if head.get("head") == "(detached)" else head.get("head"),
        "dirty": dirty,
        "diff": _cut(diff) if diff else None,
        "untracked": re.findall(r"^\? (.*)$", status, flags=re.MULTILINE)[:100],
    }


def _git(folder: Path, *words: str) -> str | None:
    """Return what git answers in `folder`, or `None` where it cannot."""
    git = shutil.which("git")
    if git is None:
        return None
    # Without optional locks, runs of a sweep that ask at the same moment do not stand in each other's way.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words, no shell
            [git, "-C", str(folder), *words],
            capture_output=True,
            check=True,
            env=environment,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace")


def _cut(diff: str) -> str:
    if len(diff) <= DIFF_LIMIT:
        return diff
    return f"{diff[:DIFF_LIMIT]}\n[cut here: the whole diff has {len(diff)} characters]\n"


def version(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        return None
