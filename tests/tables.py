"""The settings of a table in a file as `conf` has them, but for its path and its target."""

from typing import Any

from credo.config import paths

OWN = ("_target_", "path", "target")
TABLE: dict[str, Any] = {name: value for name, value in paths.settings("data", "json").items() if name not in OWN}
TEXT: dict[str, Any] = {
    name: value for name, value in paths.settings("data", "csv").items() if name not in (*OWN, *TABLE)
}
"""What a text file has besides."""
