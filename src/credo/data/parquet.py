"""A table in a Parquet file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

import pandas as pd

from credo.data.file import TableFile, unreadable


@dataclass(frozen=True)
class Parquet(TableFile):
    """A Parquet file; a named index counts as a column."""

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        try:
            table = pd.read_parquet(path)
        except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors or OSErrors
            raise unreadable(path, "Parquet", error) from error
        if any(table.index.names):
            table = table.reset_index()
        return {str(name): column for name, column in table.items()}

    @override
    def names(self, path: Path) -> Sequence[str]:
        from pyarrow import parquet  # takes time to load

        try:
            schema = parquet.read_schema(path)
        except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors or OSErrors
            raise unreadable(path, "Parquet", error) from error
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        ranges = [one["name"] for one in index if isinstance(one, dict) and one.get("name")]
        return [*map(str, schema.names), *map(str, ranges)]
