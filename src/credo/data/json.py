"""Data in a JSON file: columns `{"y": [...], "x": [...]}` or records `[{"y": ..., "x": ...}, ...]`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, override

from credo.data.file import TableFile
from credo.errors import ConfigError


@dataclass(frozen=True)
class Json(TableFile):
    """A JSON file. With `target=None` every key is an argument of the model, e.g. of a user's own program."""

    form: ClassVar[str] = "JSON"

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
        if isinstance(content, list) and content and all(isinstance(record, dict) for record in content):
            names = dict.fromkeys(name for record in content for name in record)
            return {name: [record.get(name) for record in content] for name in names}
        if isinstance(content, dict) and content:
            return content
        raise ConfigError(
            f"data.path: expected {path} to hold an object of columns or a list of records, but it holds "
            f'{_kind(content)}; name the values, as in {{"y": [1, 2]}}'
        )


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose names must be distinct; `json` would keep the last of two, and say nothing."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ConfigError(f"data.path: the JSON file has the name {twice!r} twice in one object; rename or remove one")
    return entries


def _kind(content: Any) -> str:
    if isinstance(content, list | dict):
        return "a list of which some items are no objects" if content else "nothing"
    text = repr(content)
    return f"the single value {text if len(text) <= 40 else f'{text[:37]}...'}"
