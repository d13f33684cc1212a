"""How far the posteriors of scalars that several lines share are from each other: KL and Wasserstein, with errors."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from credo.diagnostics.summary import pieces
from credo.inference.convergence import constant, mixing
from credo.inference.kind import Kind
from credo.information.neighbours import log_density, log_density_at_draws, potential
from credo.report.comparison.configurations import Configuration
from credo.runs import files, saved

if TYPE_CHECKING:
    import xarray as xr

MOST_SCALARS, MOST_LINES, FEWEST_DRAWS = 20, 8, 100
KINDS = (Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

BEYOND = 0.01
"""Where a larger share of the draws lies where the other line has none, the divergence is only known to be larger."""


class Draws(NamedTuple):
    """The draws of a scalar, and the factor by which their being of unequal worth makes an error larger."""

    values: Float[np.ndarray, "chain draw"]
    factor: float = 1.0

    @property
    def flat(self) -> Float[np.ndarray, "..."]:
        """All of them."""
        return self.values.ravel()

    def error(self, function: Float[np.ndarray, "..."]) -> float:
        """The standard error of a function's mean over them."""
        values = function.reshape(1, *self.values.shape)
        return self.factor * float(mixing(values, ("mcse_mean",))["mcse_mean"][0])


class Distance(NamedTuple):
    """From the posterior of a scalar in one line to that in the first one; each number has its standard error.

    - **label** - of the line.
    - **first** - of the line that it is compared to.
    - **scalar** - as `theta[Choate]`.
    - **kl**, **kl_error** - KL(line || first) in nats; the error is NaN where the value is only a lower bound.
    - **wasserstein**, **wasserstein_error** - in the scalar's units.
    """

    label: str
    first: str
    scalar: str
    kl: float
    kl_error: float
    wasserstein: float
    wasserstein_error: float


def distances(lines: Sequence[Configuration]) -> tuple[Distance, ...]:
    """Those of up to 20 scalars that the first line with draws shares with others, by scalar and line.

    Args:
        lines: finished ones, of whose runs the first one counts.
    """
    able = [line for line in lines if line.kind in KINDS][:MOST_LINES]
    if len(able) < 2:
        return ()
    found = [dict(_scalars(line)) for line in able]
    shared = [name for name in found[0] if any(name in other for other in found[1:])][:MOST_SCALARS]
    return tuple(
        Distance(
            line.label, able[0].label, name, *_kl(other[name], found[0][name]), *_moved(other[name], found[0][name])
        )
        for name in shared
        for line, other in zip(able[1:], found[1:], strict=True)
        if name in other
    )


def _scalars(line: Configuration) -> Iterator[tuple[str, Draws]]:
    """The draws of the scalars that move, small variables first."""
    with files.tree(line.runs[0].folder / saved.DRAWS, saved.BESIDES, "posterior", "importance") as tree:
        factor = _factor(tree)
        variables = [one for one in tree["posterior"].data_vars.values() if one.dtype.kind == "f"]
        room = 4 * MOST_SCALARS  # lines need not share all
        for variable in sorted(variables, key=lambda one: one.size):
            if variable.sizes["chain"] * variable.sizes["draw"] < FEWEST_DRAWS:
                continue
            names, draws = next(pieces(variable))
            for name, values in zip(names[:room], draws[:room].astype(float), strict=True):
                if np.isfinite(values).all() and not constant(values):
                    yield name, Draws(values, factor)
            room -= min(room, len(names))


def _factor(tree: "xr.DataTree") -> float:
    """By how much more the draws of an approximation err than as many of the posterior."""
    if "importance" not in tree.children:
        return 1.0
    sizes, effective = tree["posterior"].sizes, float(tree["importance"].attrs.get("effective", np.nan))
    total = sizes["chain"] * sizes["draw"]
    return float(np.sqrt(total / effective)) if 0 < effective < total else 1.0


def _kl(p: Draws, q: Draws) -> tuple[float, float]:
    """KL(p || q) and its standard error: that of E_p[ln p/q], and what the draws of q add to it."""
    at_p, at_q = p.flat, q.flat
    ratios = log_density_at_draws(at_p) - log_density(at_q, at_p)
    value = float(ratios.mean())
    if np.mean((at_p < at_q.min()) | (at_p > at_q.max())) > BEYOND:
        return value, np.nan
    weights = np.exp(log_density(at_p, at_q) - log_density_at_draws(at_q))
    return value, float(np.hypot(p.error(ratios), q.error(weights)))


def _moved(p: Draws, q: Draws) -> tuple[float, float]:
    """The Wasserstein distance and its standard error."""
    at_p, at_q = potential(p.flat, q.flat)
    return float(at_p.mean() - at_q.mean()), float(np.hypot(p.error(at_p), q.error(at_q)))
