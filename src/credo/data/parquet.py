"""A table in a Parquet file."""

from collections.abc import Mapping
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
