"""The families and ready models that are calibrated by the command line, each by its own words.

`tests/calibration/test_ready_models.py` and `experiments/benchmarks/families_calibration.py` run them. Priors are
proper and moderate, lest most data sets be such as no analyst sees.
"""

import csv
import shlex
import zlib
from pathlib import Path

REPLICATIONS = 450
LEVEL = 0.01
TESTS = ("bias", "spread", "shape")
HOW = ("inference.chains=2", "inference.warmup=300", "inference.draws=250", "inference.target_accept=0.95")

ROWS = "[-1.9,0.3,1.1,2.4,-0.8,0.9,1.7,-2.2,0.1,1.3,2.0,-1.1,0.6,1.5,-0.4,2.8,-1.5,0.2,1.9,0.8]"
STATES = "[0,1,2,1,0,0,2,2,1,0,1,1,2,0,1,2,2,0,0,1,0,2,1,1,0,2,0,1,2,1]"
REGRESSION = "data=synthetic data.features=4 data.rows=25 model=regression model.prior.intercept.scale=1"
FAMILY = f"{REGRESSION} data.features=2 model.prior.beta.scale=0.5 model.family"
GAMMA = "gamma model.prior.concentration.concentration=4 model.prior.concentration.rate"
GATE = "model.prior.gate.concentration1=2 model.prior.gate.concentration0=2"
SIGMA = "model.prior.sigma.scale=1"
SHAPE = "prior@model.prior.shape=gamma model.prior.shape.concentration=4"
TABLE = "data=csv data.path=table.csv model=regression"
FORMULA = f"{TABLE} model.autoscale=false model.prior.intercept.scale=1 model.prior.beta.scale=0.5"
WARDS = f"{FORMULA} model.formula='y ~ x + (x | ward)' {SIGMA} model.prior.sd.scale=0.5"
POSITIVE_SD = "prior@model.prior.sd=lognormal model.prior.sd.loc=-0.5 model.prior.sd.scale=0.3"
SERIES = "data=csv data.path=table.csv data.target=y data.features=[t] model=time_series"
PROCESS = "model=gaussian_process model.standardise=false"
HIERARCHICAL = (
    "data=synthetic data.rows=30 data.groups=6 data.sigma=null model=hierarchical model.prior.mu.scale=1 "
    f"prior@model.prior.sigma=half_normal {SIGMA}"
)

LINES = {
    "gaussian": f"{FAMILY}=gaussian {SIGMA}",
    "student_t": f"{FAMILY}=student_t {SIGMA}",
    "bernoulli": f"{FAMILY}=bernoulli",
    "binomial": f"{FORMULA} model.family=binomial model.formula='p(k, n) ~ x + z'",
    "categorical": f"{FORMULA} model.family=categorical model.formula='kind ~ x'",
    "ordinal": f"{TABLE} model.autoscale=false model.family=ordinal model.formula='grade ~ x + z' "
    "model.prior.beta.scale=0.5 model.prior.cutpoints.scale=1",
    "poisson": f"{FAMILY}=poisson",
    "negative_binomial": f"{FAMILY}=negative_binomial prior@model.prior.concentration={GAMMA}=2",
    "zero_inflated_poisson": f"{FAMILY}=zero_inflated_poisson {GATE}",
    "zero_inflated_negative_binomial": f"{FAMILY}=zero_inflated_negative_binomial {GATE} "
    f"prior@model.prior.concentration={GAMMA}=2",
    "gamma": f"{FAMILY}=gamma {SHAPE}",
    "lognormal": f"{FAMILY}=lognormal {SIGMA}",
    "beta": f"{FAMILY}=beta model.prior.intercept.scale=0.5 prior@model.prior.concentration={GAMMA}=0.5",
    "beta_binomial": f"{FORMULA} model.family=beta_binomial model.formula='p(k, n) ~ x + z' "
    f"prior@model.prior.concentration={GAMMA}=0.5",
    "weibull": f"{FAMILY}=weibull {SHAPE} model.prior.shape.rate=2",
    "exponential": f"{FAMILY}=exponential",
    "von_mises": f"{FAMILY}=von_mises prior@model.prior.concentration={GAMMA}=1",
    "formula_in_units_of_the_data": f"{TABLE} model.formula='y ~ x*z + ward' model.prior.intercept.scale=1 "
    f"model.prior.beta.scale=0.5 {SIGMA}",
    "formula_of_the_scale": f"{FORMULA} model.formula='y ~ x' model.formula_sigma='sigma ~ z' "
    "model.prior.sigma_intercept.scale=0.5 model.prior.sigma_beta.scale=0.3",
    "missing_cells": f"{FORMULA} model.formula='y ~ gaps' data.missing=impute {SIGMA}",
    "correlated_groups": WARDS,
    "correlated_groups_by_an_lkj_prior": f"{WARDS} +prior@model.prior.corr_ward=lkj "
    "model.prior.corr_ward.concentration=3",
    "correlated_groups_centred": f"{WARDS} model.centred=true {POSITIVE_SD}",
    "groups_of_classes": f"{TABLE} model.family=categorical model.formula='kind ~ 1 + (1 | ward)' "
    "model.autoscale=false model.prior.intercept.scale=1 model.prior.sd.scale=0.5",
    "groups_of_the_scale": f"{TABLE} model.formula='y ~ 1 + (1 | ward)' model.formula_sigma='(1 | ward)' "
    "model.autoscale=false model.prior.intercept.scale=1 model.prior.sd.scale=0.5 "
    "model.prior.sigma_intercept.scale=0.5 model.prior.sigma_sd.scale=0.5",
    "hierarchical_rows": f"{HIERARCHICAL} prior@model.prior.tau=half_normal model.prior.tau.scale=1",
    "hierarchical_rows_centred": f"{HIERARCHICAL} model.centred=true prior@model.prior.tau=lognormal "
    "model.prior.tau.loc=-0.5 model.prior.tau.scale=0.3",
    "mixture": f"data=inline data.values={ROWS} model=mixture model.autoscale=false model.prior.loc.scale=2 "
    "model.prior.weights.concentration=2",
    "markov_chain": f"data=inline data.values={STATES} model=markov_chain",
    "gaussian_process": f"data=synthetic data.features=1 data.rows=15 {PROCESS}",
    "gaussian_process_by_eigenfunctions": "data=csv data.path=table.csv data.target=y data.features=[x] "
    f"{PROCESS} model.approximation=hsgp model.basis=8",
    "local_level": SERIES,
    "local_trend": f"{SERIES} model.level=trend",
    "seasons": f"{SERIES} model.period=4",
    "autoregression": f"{SERIES} model.level=none model.ar=2",
    "spike_and_slab": f"{FAMILY}=gaussian {SIGMA} prior@model.prior.inclusion=bernoulli",
    "multivariate_normal_prior": f"{REGRESSION} data.features=2 {SIGMA} prior@model.prior.beta=multivariate_normal "
    "model.prior.beta.covariance=[[1,0.8],[0.8,1]]",
    "horseshoe": f"{REGRESSION} prior@model.prior.beta=horseshoe model.prior.beta.scale=0.5",
    "regularised_horseshoe": f"{REGRESSION} prior@model.prior.beta=regularised_horseshoe model.prior.beta.scale=0.5",
    "r2d2": f"{REGRESSION} prior@model.prior.beta=r2d2",
    "mixture_prior": f"data=inline data.values={ROWS} model=gaussian prior@model.prior.loc=mixture "
    "model.prior.loc.second.loc=3",
    "truncated_prior": f"data=inline data.values={ROWS} model=gaussian model.sigma=null "
    "prior@model.prior.sigma=truncated_normal model.prior.sigma.low=0.5 model.prior.sigma.high=3",
}
"""What is typed after `credo calibrate`, in a folder with `table.csv`, by the name of a row in the table of results."""


def words(name: str) -> tuple[str, ...]:
    """The words of one line, with how it is inferred.

    Example:
        >>> words("local_level")[-2:]
        ('calibrate.replications=450', 'seed=663')
    """
    seed = zlib.crc32(name.encode()) % 1000  # other true values than those of the next line
    return (*shlex.split(LINES[name]), *HOW, f"calibrate.replications={REPLICATIONS}", f"seed={seed}")


def smallest(run: Path) -> tuple[float, int]:
    """The smallest p-value of a calibration, and how many scalars it looked at."""
    with (run / "calibration.csv").open(encoding="utf-8") as file:
        scalars = list(csv.DictReader(file))
    return min(float(row[f"p_{test}"]) for row in scalars for test in TESTS), len(scalars)


def alarms(p: float, scalars: int) -> bool:
    """Whether the smallest p-value of a line alarms, where the chance of any false alarm of all lines is 1 %."""
    return p < LEVEL / (len(TESTS) * scalars * len(LINES))


def write_table(folder: Path) -> None:
    """Write the 30 rows whose predictors, groups and trials the formulas read; the targets are drawn anew."""
    head = "t,x,z,gaps,ward,y,k,n,kind,grade"
    lines = []
    for i in range(30):
        x, z = 0.1 * ((7 * i) % 30) - 1.45, 0.1 * ((11 * i + 3) % 30) - 1.45
        gaps = "" if i % 8 == 5 else f"{z:.2f}"
        targets = f"{(13 * i) % 7},{i % 8},12,{'abc'[i % 3]},{i % 4}"
        lines.append(f"{i},{x:.2f},{z:.2f},{gaps},{'uvwxyz'[i % 6]},{targets}")
    (folder / "table.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
