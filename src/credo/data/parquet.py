"""A table in a Parquet file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, override

from credo.data.file import TableFile
from credo.errors import ConfigError

WIDTH = 8
"""Bytes that a value takes at least, once it is read; a file may say the same value a billion times in a few."""


@dataclass(frozen=True)
class Parquet(TableFile):
    """A Parquet file; a named index counts as a column."""

    form: ClassVar[str] = "Parquet"

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        from pyarrow.parquet import ParquetFile

        with path.open("rb") as opened, ParquetFile(opened) as file:
            known = file.metadata
            groups = [known.row_group(i) for i in range(known.num_row_groups)]
            written = sum(group.total_byte_size for group in groups)
            self.require_room(path, max(written, WIDTH * known.num_rows * known.num_columns))
            table = file.read().to_pandas()
        index = {str(name): table.index.get_level_values(i) for i, name in enumerate(table.index.names) if name}
        names = [*index, *map(str, table.columns)]
        name, times = Counter(names).most_common(1)[0] if names else ("", 0)
        if times > 1:
            raise ConfigError(f"data.path: there are two columns {name!r} in {path}; rename one")
        columns = [values.to_series(index=table.index) for values in index.values()]
        columns += [table.iloc[:, i] for i in range(table.shape[1])]
        return {name: column.reset_index(drop=True) for name, column in zip(names, columns, strict=True)}

    @override
    def names(self, path: Path) -> Sequence[str]:
        from pyarrow import parquet  # takes time to load

        schema = parquet.read_schema(path)
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        ranges = [one["name"] for one in index if isinstance(one, dict) and one.get("name")]
        return [*map(str, schema.names), *map(str, ranges)]
