"""What an optimisation found, as tables: how its starts ended, and the standard errors of the best."""

import jax
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from credo.inference.point.curvature import Curvature
from credo.inference.point.optimiser import StartState
from credo.inference.point.optimiser import converged as is_converged
from credo.inference.result import Status
from credo.models.problem import Problem

_CLASSES = {"BernoulliLogits", "BernoulliProbs", "BinomialLogits", "BinomialProbs", "CategoricalLogits"}
_CLASSES |= {"CategoricalProbs", "MultinomialLogits", "MultinomialProbs", "OrderedLogistic"}
"""The distributions of observed classes, which the latents may separate."""


def are_classes(problem: Problem) -> bool:
    """Whether all that is observed are classes."""
    return all(site.distribution in _CLASSES for site in problem.named("observed"))


def judge(tolerance: float, states: StartState, curvature: Curvature, best: int) -> tuple[xr.Dataset, Status]:
    """The table of starts, and the status of the best.

    Args:
        tolerance: of the gradient.
        states: of all starts, at the end.
        curvature: at the best of them.
        best: its number.
    """
    starts = len(states.steps)
    z = np.stack([ravel_pytree(jax.tree.map(lambda a, i=i: np.asarray(a)[i], states.z))[0] for i in range(starts)])
    finite, converged = np.asarray(states.finite), np.asarray(is_converged(tolerance, states))
    near = curvature.newton_decrement < 0.01
    converged = finite & (converged | ((np.arange(starts) == best) & near))
    table = xr.Dataset(
        {
            "objective": ("start", np.asarray(states.objective)),
            "gradient_norm": ("start", np.asarray(states.gradient_norm)),
            "converged": ("start", converged),
            "distance": ("start", curvature.distances(z, z[best])),
            "hessian_eigenvalues": ("eigenvalue", curvature.eigenvalues),
            "fall": (("direction", "side"), curvature.falls),
        },
        coords={
            "latent": ("direction", np.array([name for name, _ in curvature.along], str)),
            "grows": ("direction", np.array([grows for _, grows in curvature.along], bool)),
        },
        attrs=curvature.attributes() | {"best": best},
    )
    if not finite[best]:
        return table, Status.NOT_FINITE
    return table, Status.DONE if converged[best] else Status.NOT_CONVERGED


def standard_errors(problem: Problem, posterior: xr.Dataset, curvature: Curvature) -> xr.Dataset:
    """The variables of the posterior without chain and draw; NaN where there is no standard error."""
    one = posterior.isel(chain=0, draw=0, drop=True)
    errors = {
        problem.names.variable(name): values[problem.unknown[name]] if name in problem.unknown else values
        for name, values in curvature.standard_errors.items()
    }
    return xr.Dataset(
        {
            name: (values.dims, errors.get(str(name), np.full(values.shape, np.nan)))
            for name, values in one.data_vars.items()
        },
        coords=one.coords,
    )
