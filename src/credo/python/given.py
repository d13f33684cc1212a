"""Objects that a call was given, as files: a run knows all that made it, and goes on from a shell, too.

A function of a file that Python imports is named by it. Of another one, as of a notebook, the source is written, with
all that it reads; of a table, the values. They lie in `credo_given/` in the folder where Python works, and are named by
what is in them, so that the same objects give the same run.
"""

import hashlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from credo import writing
from credo.errors import ConfigError
from credo.python import sources

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "credo_given"
DIGITS = 10
"""Of the hash of a file's content, in its name."""


def replaced(call: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a call with files in place of objects.

    Args:
        call: its name, for messages.
        settings: of which `model` may be a function, and `data` a table or arrays by name.

    Raises:
        ConfigError: an object cannot be written.
    """
    rest = dict(settings)
    words: dict[str, Any] = {}
    if callable(model := rest.get("model")):
        words |= {"model": "program", "model.function": _function(call, model)}
        del rest["model"]
    if (given := rest.get("data")) is not None and not isinstance(given, str):
        source, path = _data(call, given)
        words |= {"data": source, "data.path": path}
        del rest["data"]
    return words | rest


def _function(call: str, function: Any) -> str:
    """The reference of a function: `module:name`."""
    if not isinstance(function, FunctionType):
        raise ConfigError(
            f"{call}: model: expected a NumPyro function, but got an object of the class {type(function).__name__}; "
            "write a function (def) that calls it"
        )
    module = sys.modules.get(function.__module__)
    is_file = function.__module__ != "__main__" and getattr(module, "__file__", None) is not None
    name = function.__qualname__
    if is_file and getattr(module, name, None) is function:
        return f"{function.__module__}:{name}"
    text = sources.text(call, function).encode()
    file = _kept(text, function.__name__, "py")
    return f"{FOLDER}.{file.stem}:{function.__name__}"


def _data(call: str, given: Any) -> tuple[str, str]:
    """The word of the source, and the file."""
    if hasattr(given, "to_parquet"):
        return "parquet", str(_kept(_parquet(call, given), "table", "parquet"))
    if isinstance(given, Mapping) or hasattr(given, "data_vars"):
        arrays = given if isinstance(given, Mapping) else given.data_vars
        return "npz", str(_kept(_npz(call, arrays), "arrays", "npz"))
    raise ConfigError(
        f"{call}: data: expected the name of a source, a pandas table, or arrays by name (a dict or an "
        f"xarray.Dataset), but got an object of the class {type(given).__name__}"
    )


def _parquet(call: str, table: "pd.DataFrame") -> bytes:
    try:
        return bytes(table.to_parquet(index=False))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{call}: data: the table cannot be written as parquet ({reason}); correct it") from error


def _npz(call: str, arrays: Mapping[str, Any]) -> bytes:
    values = {str(name): np.asarray(one) for name, one in arrays.items()}
    if not values:
        raise ConfigError(f"{call}: data: expected arrays by name, but got none")
    for name, array in values.items():
        if array.dtype.hasobject:
            raise ConfigError(
                f"{call}: data: {name}: expected numbers or text of one kind, but got {array.dtype} values"
            )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **values)
    return buffer.getvalue()


def _kept(content: bytes, name: str, suffix: str) -> Path:
    """The file with this content, written unless it is there."""
    file = Path(FOLDER) / f"{name}_{hashlib.sha256(content).hexdigest()[:DIGITS]}.{suffix}"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        with writing.replacing(file) as scratch:
            scratch.write_bytes(content)
    return file
