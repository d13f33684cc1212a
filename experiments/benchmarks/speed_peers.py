"""One of the models of `speed_models.py` by a peer of credo, as its users would write it; `speed.py` runs this file.

    python -P experiments/benchmarks/speed_peers.py numpyro eight_schools eight_schools.npz draws.npz [--cache FOLDER]

Four chains of 1000 + 1000 draws by the peer's defaults, a summary on the screen, and the draws in a file.
"""

import argparse
import runpy
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("numpyro", "nutpie"))
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("draws")
    parser.add_argument("--cache")
    asked = parser.parse_args()
    with np.load(asked.data) as file:
        data = dict(file)
    draws = by_numpyro(asked.model, data, asked.cache) if asked.peer == "numpyro" else by_nutpie(asked.model, data)
    print("PASSED", flush=True)  # noqa: T201 - the summary is on the screen; `speed.py` waits for this word
    np.savez(asked.draws, **draws)


def by_numpyro(model: str, data: dict[str, np.ndarray], cache: str | None) -> dict[str, Any]:
    """NumPyro's own NUTS: parallel chains, float32."""
    import jax
    import numpyro

    numpyro.set_host_device_count(4)
    if cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    from numpyro.infer import MCMC, NUTS

    models = runpy.run_path(str(Path(__file__).with_name("speed_models.py")))["MODELS"]
    sampler = MCMC(
        NUTS(models[model]), num_warmup=1000, num_samples=1000, num_chains=4, chain_method="parallel",
        progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.PRNGKey(0), **data)
    sampler.print_summary()
    return {name: np.asarray(value) for name, value in sampler.get_samples(group_by_chain=True).items()}


def by_nutpie(model: str, data: dict[str, np.ndarray]) -> dict[str, Any]:
    """PyMC's model by nutpie, float64."""
    import arviz
    import nutpie

    tree = nutpie.sample(
        nutpie.compile_pymc_model(of_pymc(model, data)), draws=1000, tune=1000, chains=4, seed=0, progress_bar=False
    )
    print(arviz.summary(tree))  # noqa: T201 - what its users look at
    return {name: tree["posterior"][name].to_numpy() for name in tree["posterior"].data_vars}


def of_pymc(name: str, data: dict[str, np.ndarray]) -> Any:
    """The same model in PyMC."""
    import pymc as pm

    with pm.Model() as model:
        if name == "eight_schools":
            mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
            theta = pm.Deterministic("theta", mu + tau * pm.Normal("z", 0, 1, shape=8))
            pm.Normal("y", theta, data["sigma"], observed=data["y"])
        elif name == "logistic":
            intercept, beta = pm.Normal("intercept", 0, 2.5), pm.Normal("beta", 0, 2.5, shape=data["x"].shape[1])
            pm.Bernoulli("y", logit_p=intercept + data["x"] @ beta, observed=data["y"])
        elif name == "two_level":
            mu, tau = pm.Normal("mu", 0, 5, shape=2), pm.HalfNormal("tau", 2, shape=2)
            sigma, z = pm.HalfNormal("sigma", 2), pm.Normal("z", 0, 1, shape=(85, 2))
            effect, group = pm.Deterministic("effect", mu + tau * z), data["group"]
            pm.Normal("y", effect[group, 0] + effect[group, 1] * data["x"], sigma, observed=data["y"])
        else:
            scale, rank = data["scale"], np.arange(100)
            covariance = 0.5 ** np.abs(rank[:, None] - rank) * scale[:, None] * scale
            x = pm.MvNormal("x", np.zeros(100), covariance)
            pm.Normal("y", x.sum(), 1000.0, observed=data["y"])
    return model


if __name__ == "__main__":
    main()
