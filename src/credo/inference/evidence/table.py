"""Log p(data) by every way that a run has to it: the group `evidence` of a result."""

import math
from collections.abc import Mapping

import xarray as xr

GROUP = "evidence"


def table(ways: Mapping[str, tuple[float, float]]) -> xr.Dataset:
    """What is recorded, with the dim `way`: `log_evidence` in nats, and `log_evidence_error`, its standard error.

    Args:
        ways: of each way by its word (`laplace`, `smc`, `bridge`), both numbers; what is not known is left out.
    """
    known = {way: found for way, found in ways.items() if all(map(math.isfinite, found))}
    columns = {
        "log_evidence": ("way", [value for value, _ in known.values()]),
        "log_evidence_error": ("way", [error for _, error in known.values()]),
    }
    return xr.Dataset(columns, {"way": list(known)})


def merged(tree: xr.DataTree, ways: Mapping[str, tuple[float, float]]) -> xr.DataTree:
    """The tree with more ways beside those that it has."""
    tree[GROUP] = xr.DataTree(table({**found(tree), **ways}))
    return tree


def found(tree: xr.DataTree) -> dict[str, tuple[float, float]]:
    """Log evidence and its standard error by way, the smallest error first.

    Example:
        >>> tree = merged(xr.DataTree(), {"smc": (-3.1, 0.1), "bridge": (-3.0, 0.02)})
        >>> found(tree)
        {'bridge': (-3.0, 0.02), 'smc': (-3.1, 0.1)}
    """
    if GROUP not in tree.children:
        return {}
    ways = tree[GROUP].to_dataset()
    columns = (ways[name].values.tolist() for name in ("way", "log_evidence", "log_evidence_error"))
    return {way: (value, error) for error, way, value in sorted((e, w, v) for w, v, e in zip(*columns, strict=True))}


def in_words(ways: Mapping[str, tuple[float, float]]) -> str:
    """What was found, in nats.

    Example:
        >>> in_words({"bridge": (-31.3144, 0.0051), "smc": (-31.2, 0.1)})
        '-31.314 ± 0.005 by bridge, -31.200 ± 0.100 by smc'
    """
    return ", ".join(f"{value:.3f} ± {error:.3f} by {way}" for way, (value, error) in ways.items())
