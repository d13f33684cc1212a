"""The API, which Sphinx reads from the docstrings."""

import credo
from reference.markdown import page

ORDER = ("run", "compose", "load", "Run", "sweep", "Sweep", "compare", "Comparison", "calibrate", "Calibration")
ERRORS = ("CredoError", "ConfigError", "RunError")


def names() -> tuple[str, ...]:
    """The public names in the order of the page."""
    return (*ORDER, *ERRORS)


def python_page() -> str:
    """The page of the public names."""
    missing = set(credo.__all__) - {*names(), "__version__"}
    if missing:
        raise ValueError(f"public names without a place on the page: {', '.join(missing)}")
    return page(
        "Python",
        "`import credo` loads nothing else; each name is loaded when it is first used.",
        *map(_directive, ORDER),
        "## Errors",
        "Each carries the one sentence that the command prints.",
        *map(_directive, ERRORS),
    )


def _directive(name: str) -> str:
    if name[0].islower():
        return f"```{{eval-rst}}\n.. autofunction:: credo.{name}\n```"
    return f"```{{eval-rst}}\n.. autoclass:: credo.{name}\n   :members:\n```"
