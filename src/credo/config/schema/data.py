"""The keys of `conf/data` and their types; the values are in the YAML files."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class Inline:
    """Numbers typed in the configuration."""

    _target_: str = "credo.data.inline.Inline"
    values: list[Any] = MISSING


@dataclass
class EightSchools:
    """Rubin's eight schools."""

    _target_: str = "credo.data.eight_schools.EightSchools"


@dataclass
class BreastCancer:
    """Wisconsin diagnostic breast cancer."""

    _target_: str = "credo.data.breast_cancer.BreastCancer"
    features: list[str] | None = MISSING
    standardise: bool = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class Diabetes:
    """Progression of diabetes."""

    _target_: str = "credo.data.diabetes.Diabetes"
    features: list[str] | None = MISSING
    standardise: bool = MISSING
    standardise_target: bool = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class TableFile:
    """What all tables in files share."""

    path: str = MISSING
    target: Any = MISSING
    features: list[str] | None = MISSING
    context: list[str] | None = MISSING
    group: str | None = MISSING
    sigma: str | None = MISSING
    standardise: bool = MISSING
    standardise_target: bool = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING
    max_gb: float = MISSING


@dataclass
class Csv(TableFile):
    """A text file."""

    _target_: str = "credo.data.csv.Csv"
    separator: str = MISSING
    decimal: str = MISSING
    thousands: str | None = MISSING


@dataclass
class Json(TableFile):
    """A JSON file."""

    _target_: str = "credo.data.json.Json"


@dataclass
class Npz(TableFile):
    """A NumPy archive."""

    _target_: str = "credo.data.npz.Npz"


@dataclass
class Parquet(TableFile):
    """A Parquet file."""

    _target_: str = "credo.data.parquet.Parquet"


@dataclass
class Uci:
    """A folder with a table and its customary splits."""

    _target_: str = "credo.data.uci.Uci"
    path: str = MISSING
    split: int = MISSING
    standardise: bool = MISSING
    standardise_target: bool = MISSING


@dataclass
class Branches:
    """A target with two values for every input."""

    _target_: str = "credo.data.branches.Branches"
    rows: int = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class Lopsided(Branches):
    """A target whose distribution changes its form with the input."""

    _target_: str = "credo.data.lopsided.Lopsided"


@dataclass
class Plane:
    """A density in the plane."""

    _target_: str = "credo.data.plane.Plane"
    density: str = MISSING
    noise: float = MISSING
    rows: int = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class Digits:
    """Handwritten digits."""

    _target_: str = "credo.data.digits.Digits"
    scale: str = MISSING
    dequantise: bool = MISSING
    digits: list[int] | None = MISSING
    rows: int | None = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class CorrelatedGaussians:
    """Pairs of vectors with a known mutual information."""

    _target_: str = "credo.data.correlated_gaussians.CorrelatedGaussians"
    dim: int = MISSING
    mi: float = MISSING
    rows: int = MISSING
    test_fraction: float = MISSING
    split_seed: int = MISSING


@dataclass
class Synthetic:
    """Draws of the chosen model itself."""

    _target_: str = "credo.data.synthetic.Synthetic"
    rows: int = MISSING
    features: int | None = MISSING
    groups: int | None = MISSING
    sigma: float | None = MISSING


OPTIONS = {
    "branches": Branches,
    "lopsided": Lopsided,
    "two_moons": Plane,
    "eight_gaussians": Plane,
    "checkerboard": Plane,
    "four_rings": Plane,
    "correlated_gaussians": CorrelatedGaussians,
    "digits": Digits,
    "inline": Inline,
    "coin_flips": Inline,
    "eight_schools": EightSchools,
    "breast_cancer": BreastCancer,
    "diabetes": Diabetes,
    "csv": Csv,
    "json": Json,
    "npz": Npz,
    "parquet": Parquet,
    "uci": Uci,
    "synthetic": Synthetic,
}
