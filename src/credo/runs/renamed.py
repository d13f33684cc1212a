"""Old names of credo's parts, so that runs of the release before can be read, compared and predicted from.

The table is for one release. A checkpoint of that release cannot be resumed.
"""

from typing import Any

KERNELS = "credo.inference.mcmc.kernels"
DISTRIBUTIONS = "numpyro.distributions"
NAMES = {
    "credo.inference.exchange": f"{KERNELS}.exchange",
    "credo.inference.hmc": f"{KERNELS}.hmc",
    "credo.inference.mh": f"{KERNELS}.mh",
    "credo.inference.nuts": f"{KERNELS}.nuts",
    "credo.inference.map": "credo.inference.point.map",
    "credo.inference.mle": "credo.inference.point.mle",
    "credo.inference.stop": "credo.inference.mcmc.stop",
    "credo.models.energies.critic.Critic": "credo.energies.critic.CriticModel",
    "credo.models.energies.image.Image": "credo.energies.image.ImageModel",
    "credo.models.energies.ising.Ising": "credo.energies.ising.IsingModel",
    "credo.models.energies.neural.Conditional": "credo.energies.neural.ConditionalModel",
    "credo.models.energies.neural.Neural": "credo.energies.neural.NeuralModel",
    "credo.models.energies.polynomial.Polynomial": "credo.energies.polynomial.PolynomialModel",
    "credo.models.energies.potts.Potts": "credo.energies.potts.PottsModel",
    "credo.models.energies.quadratic.Quadratic": "credo.energies.quadratic.QuadraticModel",
    "credo.models.energies.rbm.Rbm": "credo.energies.rbm.RbmModel",
    "credo.models.priors.bernoulli": f"{DISTRIBUTIONS}.BernoulliProbs",
    "credo.models.priors.beta": f"{DISTRIBUTIONS}.Beta",
    "credo.models.priors.exponential": f"{DISTRIBUTIONS}.Exponential",
    "credo.models.priors.gamma": f"{DISTRIBUTIONS}.Gamma",
    "credo.models.priors.gaussian": f"{DISTRIBUTIONS}.Normal",
    "credo.models.priors.half_cauchy": f"{DISTRIBUTIONS}.HalfCauchy",
    "credo.models.priors.half_normal": f"{DISTRIBUTIONS}.HalfNormal",
    "credo.models.priors.inverse_gamma": f"{DISTRIBUTIONS}.InverseGamma",
    "credo.models.priors.laplace": f"{DISTRIBUTIONS}.Laplace",
    "credo.models.priors.student_t": f"{DISTRIBUTIONS}.StudentT",
    "credo.report.html": "credo.report.run.html",
    "credo.report.none": "credo.report.run.none",
    "credo.samplers": "credo.energies.samplers",
    "credo.tracking.mlflow.MlflowTracker": "credo.tracking.mlflow.tracker.MlflowTracker",
    "credo.training": "credo.inference.training",
}
"""Modules, or objects in them, by their old names."""


def name(old: str) -> str:
    """The present name of what a `_target_` names, by the longest entry of the table that it begins with."""
    parts = old.split(".")
    for length in range(len(parts), 0, -1):
        if (new := NAMES.get(".".join(parts[:length]))) is not None:
            return ".".join([new, *parts[length:]])
    return old


def present(content: Any) -> Any:
    """Plain containers in which every `_target_` has its present name."""
    if isinstance(content, dict):
        return {
            key: name(value) if key == "_target_" and isinstance(value, str) else present(value)
            for key, value in content.items()
        }
    return [present(value) for value in content] if isinstance(content, list) else content
