"""credo: configured, diagnosed and logged experiments for probabilistic programming.

    import credo

    run = credo.run("experiment=eight_schools", "inference.draws=500")
    run.verdict.status, run.summary, run.posterior

Everything is loaded when it is first used; `__init__.pyi` says the types.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "calibrate": "python.calibration",
    "Calibration": "python.calibration",
    "compare": "python.comparison",
    "compose": "python.run",
    "Comparison": "python.comparison",
    "ConfigError": "errors",
    "CredoError": "errors",
    "load": "python.run",
    "Run": "python.run",
    "run": "python.run",
    "RunError": "errors",
    "sweep": "python.sweep",
    "Sweep": "python.sweep",
}

__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'credo' has no attribute {name!r}")
    return getattr(import_module(f"credo.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
