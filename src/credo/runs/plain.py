"""The answer of a run as plain containers, for programs that act on it."""

import math
from pathlib import Path
from typing import Any

from credo.runs import saved


def answer(run: Path) -> dict[str, Any]:
    """Verdict, checks with their numbers and advice, and metrics of a finished run; `None` stands for NaN.

    Raises:
        DamagedError: a file is missing, or damaged.
    """
    verdict = saved.verdict(run)
    return {
        "folder": str(run),
        "status": verdict.status,
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "value": _finite(check.value),
                "threshold": _finite(check.threshold),
                "advice": check.advice,
            }
            for check in verdict.checks
        ],
        "metrics": {name: _finite(value) for name, value in saved.metrics(run).items()},
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
