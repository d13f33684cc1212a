"""Reads the data files in scikit-learn's package without importing it, which would cost two seconds."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from credo.errors import ConfigError


def bundled(
    file: str, names: list[str] | tuple[str, ...], *, delimiter: str | None = None, header: int = 0
) -> pd.DataFrame:
    """The table in scikit-learn's file `file`, below `header` lines, with the given column names.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ConfigError("data: this data set is a file of scikit-learn, which is not installed; install scikit-learn")
    path = Path(spec.origin).parent / "datasets" / "data" / file
    return pd.DataFrame(np.loadtxt(path, delimiter=delimiter, skiprows=header), columns=list(names))
