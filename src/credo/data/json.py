"""Data in a JSON file: columns `{"y": [...], "x": [...]}` or records `[{"y": ..., "x": ...}, ...]`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from credo.data.file import TableFile, unreadable
from credo.errors import ConfigError


@dataclass(frozen=True)
class Json(TableFile):
    """A JSON file. With `target=None` every key is an argument of the model, e.g. of a user's own program."""

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError) as error:
            raise unreadable(path, "JSON", error) from error
        if isinstance(content, list) and content and all(isinstance(record, dict) for record in content):
            names = dict.fromkeys(name for record in content for name in record)
            return {name: [record.get(name) for record in content] for name in names}
        if isinstance(content, dict) and content:
            return content
        raise ConfigError(
            f"data.path: expected {path} to hold an object of columns or a list of records, but it holds "
            f'{_kind(content)}; name the values, as in {{"y": [1, 2]}}'
        )


def _kind(content: Any) -> str:
    if isinstance(content, list | dict):
        return "a list with other things than objects" if content else "nothing"
    return f"the single value {content!r}"
