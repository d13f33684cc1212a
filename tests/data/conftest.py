"""What the tests of the data sources share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from credo.data.csv import Csv
from credo.data.file import TableFile
from tables import TABLE, TEXT

DEFAULTS = TABLE | {"max_gb": 8.0}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., xr.Dataset]:
    """Load a file through its source: `load(Csv, "y,x\\n1,2\\n", target="y")`; text or bytes become the file first."""

    def _load(source: type[TableFile], content: str | bytes | None = None, model=None, **keys) -> xr.Dataset:
        path = tmp_path / "file"
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        extra = TEXT if source is Csv else {}
        known = {field.name for field in dataclasses.fields(source)}
        options = DEFAULTS | extra | {"path": str(path), "target": "y"} | keys
        assert set(options) == known
        return source(**options).load(model, 0)

    return _load
