"""How the checks read a result and word their answers."""

from collections.abc import Iterable

import xarray as xr

from credo.diagnostics.base import Check
from credo.inference.result import Result


def group(result: Result, name: str) -> xr.Dataset:
    """A group of the result's tree; a data set without variables where there is no such group."""
    return result.tree[name].to_dataset() if name in result.tree.children else xr.Dataset()


def has_data(result: Result) -> bool:
    """Whether anything was observed that counts; without data, questions about its prediction do not apply."""
    groups = ("observed_data", "log_likelihood")
    return result.observed != () and any(group(result, name).data_vars for name in groups)


def not_checked(name: str, threshold: float | None, reason: str) -> Check:
    """The question applies and cannot be answered, which is never a pass."""
    return Check(name, "not checked", None, threshold, reason)


def left_out(result: Result, name: str, threshold: float | None, *parts: str) -> Check | None:
    """The answer of a check that could only have noted something, where a part that it needs could not be derived."""
    reasons = [result.missing[part] for part in parts if part in result.missing]
    return Check(name, "not checked", None, threshold, reasons[0], decides=False) if reasons else None


def some(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are: `a, b, c and 2 more`."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
