"""How many animals die at which dose: a logistic dose-response curve."""

import numpyro
import numpyro.distributions as dist
from jax import Array


def model(log_dose: Array, animals: Array, died: Array | None = None) -> None:
    """died_i ~ Binomial(animals_i, logistic(slope * (log_dose_i - midpoint))).

    The parameters of this function are the names in data/made_up_doses.json. An observed one is optional, so that the
    same function also makes predictions.
    """
    midpoint = numpyro.sample("midpoint", dist.Normal(0.0, 2.0))  # the log dose that kills half
    slope = numpyro.sample("slope", dist.HalfNormal(5.0))
    with numpyro.plate("obs", len(log_dose)):
        logits = slope * (log_dose - midpoint)
        numpyro.sample("died", dist.Binomial(animals, logits=logits), obs=died)
