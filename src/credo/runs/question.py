"""What an experiment asks, as a hash that is known before JAX, the model and the data are loaded.

Equal questions have the same fingerprint (see `provenance.fingerprint`): the configuration is the same, every file that
it names has the same bytes, and so have credo and the packages that make data. The reverse does not hold. An experiment
whose code or data cannot be known so early has no question, and its fingerprint decides alone.

Another version of credo asks other questions, whose fingerprints are found when they are asked for the first time. They
are kept in `questions/` in the folder of `device.compilation_cache`, each in a file with the name of its question.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import credo
from credo.config import loading
from credo.runs import kept, provenance, signature
from credo.runs.code import record, sources
from credo.secrets import masked

PACKAGES = (*provenance.PACKAGES, "pandas", "pyarrow", "scikit-learn", "formulae")
"""Packages whose versions may change the data."""

MARKS = ("decimal", "thousands")
"""Keys whose values are no paths, although a dot is one."""

ENVIRONMENT = ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES")
"""Variables by which another device may make the data, and so other digits of it."""


FOLDER = "questions"
"""Where fingerprints are kept."""


def fingerprint(question: str, cache: str | None) -> str | None:
    """The fingerprint of a question, as `keep` left it in the folder of `device.compilation_cache`."""
    text = kept.read(cache, FOLDER, question)
    return text if text is not None and re.fullmatch("[0-9a-f]{64}", text) else None


def keep(question: str, fingerprint: str, cache: str | None) -> None:
    """Keep the fingerprint of a question."""
    kept.write(cache, FOLDER, question, fingerprint)


def of(config: Mapping[str, Any], start_folder: Path) -> str | None:
    """The question of an experiment, a SHA-256 in hexadecimal.

    Args:
        config: as composed and resolved, as plain containers.
        start_folder: where credo was started, in which paths begin.

    Returns:
        `None` where the configuration names code of the user's own, a folder or an earlier run.
    """
    if Path.cwd() != start_folder or (config.get("model") or {}).get("prior_from") is not None:
        return None
    parts = {key: part for key, part in config.items() if key != "tracking"}  # which only listens
    if any(_is_code(word) for _, word in record.words(parts)):
        return None
    what, files = provenance.identity(masked(dict(config))), dict[str, str]()
    for key, word in record.words(provenance.identity(config)):
        if key not in MARKS and (place := _place(word)) is not None:
            if not place.is_file():
                return None
            files[word] = signature.digest(place)
    asked = {
        "config": what,
        "files": files,
        "installed": installed(),
        "machine": platform.node(),
        "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
    }
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_code(word: str) -> bool:
    """Whether a word may name code that every run does not know by a version: a module's or a file's."""
    if ".py" in word:
        return True
    if not record.REFERENCE.fullmatch(word):
        return False
    reference = loading.importable(word.replace(":", "."))
    package = reference.partition(".")[0]
    return package == loading.USER or (loading.find(package) is not None and not sources.is_known(package))


def _place(word: str) -> Path | None:
    """What there is at a path, if the word is one."""
    try:
        place = Path(word).expanduser()
        return place if word and place.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or the home of nobody
        return None


@cache
def installed() -> dict[str, Any]:
    """What runs in this process, as it was when it was first asked for."""
    versions = {name: provenance.version(name) for name in PACKAGES}
    return {"versions": versions, "python": platform.python_version(), "credo": list(_credo())}


def _credo() -> Iterator[tuple[str, int, int]]:
    """Credo's own files, which make data and read files, with their sizes and when they were changed."""
    root = Path(credo.__file__).parent
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        for name in sorted(names):
            state = Path(folder, name).stat()
            yield str(Path(folder, name).relative_to(root)), state.st_size, state.st_mtime_ns
