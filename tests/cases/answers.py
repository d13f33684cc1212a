"""What should come of the cases, computed without credo, JAX or NumPyro: by formulas, grids and SciPy.

`python tests/cases/answers.py` prints the numbers that stand in the `expect.json` of each case.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, stats

HERE = Path(__file__).parent
Answers = dict[str, dict[str, float]]


def data(case: str) -> dict[str, Any]:
    """The case's `data.json`, lists as arrays."""
    text = (HERE / case / "data.json").read_text()
    return {name: np.array(value, float) for name, value in json.loads(text).items()}


def table(case: str, name: str) -> np.ndarray:
    """A CSV file of the case, without its header, [row, column]."""
    with (HERE / case / name).open() as file:
        rows = list(csv.reader(file))[1:]
    return np.array(rows, float)


def normal_mean(y: Any, noise: float = 1.0, prior: float = 10.0, centre: float = 0.0) -> dict[str, float]:
    """The posterior of a normal mean with known noise and a normal prior."""
    precision = np.size(y) / noise**2 + 1 / prior**2
    return {
        "mean": float((np.sum(y) / noise**2 + centre / prior**2) / precision),
        "sd": float(precision**-0.5),
    }


def on_grid(log_density: np.ndarray, **axes: np.ndarray) -> Answers:
    """Means and standard deviations of a density on a grid; axes [n], in the order of the array's dimensions."""
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    found = {}
    for name, points in zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True):
        mean = float((weight * points).sum())
        found[name] = {"mean": mean, "sd": float(np.sqrt((weight * (points - mean) ** 2).sum()))}
    return found


def at_mode(negative: Callable[[np.ndarray], float], start: Any, names: tuple[str, ...]) -> Answers:
    """A mode and its standard errors, by the inverse of a Hessian of central differences."""
    x = optimize.minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-12, "fatol": 1e-14}).x
    dim = len(x)
    step = 1e-4 * np.maximum(np.abs(x), 1e-3)
    hessian = np.empty((dim, dim))
    for i in range(dim):
        for j in range(dim):
            a, b = step * (np.arange(dim) == i), step * (np.arange(dim) == j)
            hessian[i, j] = (negative(x + a + b) - negative(x + a - b) - negative(x - a + b) + negative(x - a - b)) / (
                4 * step[i] * step[j]
            )
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    return {name: {"mean": float(x[i]), "sd": float(errors[i])} for i, name in enumerate(names)}


def subsample() -> Answers:
    """01: all rows."""
    return {"mu": normal_mean(data("01-subsample")["y"])}


def param() -> Answers:
    """02: maximum likelihood of a normal sample, both parameters."""
    y = data("02-param")["y"]
    sigma = float(y.std())
    return {
        "mu": {"mean": float(y.mean()), "sd": sigma / np.sqrt(y.size)},
        "sigma": {"mean": sigma, "sd": sigma / np.sqrt(2 * y.size)},
    }


def decay() -> Answers:
    """03: y = a exp(-k t) by nonlinear least squares, and the noise that maximises the likelihood."""
    t, y = data("03-odeint-mle").values()
    (a, k), _ = optimize.curve_fit(lambda t, a, k: a * np.exp(-k * t), t, y, p0=(10, 0.7), xtol=1e-14)
    s = float(np.sqrt(np.mean((y - a * np.exp(-k * t)) ** 2)))
    jacobian = np.stack([np.exp(-k * t), -a * t * np.exp(-k * t)], axis=1)
    residual = y - a * np.exp(-k * t)
    curve = np.array([[0 * t, -t * np.exp(-k * t)], [-t * np.exp(-k * t), a * t**2 * np.exp(-k * t)]])
    information = (jacobian.T @ jacobian - curve @ residual) / s**2
    error = np.sqrt(np.diag(np.linalg.inv(information)))
    return {
        "a": {"mean": float(a), "sd": float(error[0])},
        "k": {"mean": float(k), "sd": float(error[1])},
        "s": {"mean": s, "sd": s / np.sqrt(2 * y.size)},
    }


def scope() -> Answers:
    """04: two normal means."""
    given = data("04-scope-slash")
    return {"left/mu": normal_mean(given["left"]), "right/mu": normal_mean(given["right"])}


def imputed() -> Answers:
    """08: three rows seen, and the fourth predicted."""
    y, seen = data("08-obs-mask").values()
    mu = normal_mean(y[seen == 1])
    return {"mu": mu, "obs_y_unobserved[2]": {"mean": mu["mean"], "sd": float(np.hypot(mu["sd"], 1.0))}}


def masked() -> Answers:
    """09: seven rows."""
    y, seen = data("09-mask-named-y").values()
    return {"mu": normal_mean(y[seen == 1])}


def correlated() -> Answers:
    """14: maximum likelihood of a multivariate normal sample."""
    y = data("14-lkj")["Y"]
    covariance = np.cov(y.T, bias=True)
    scale = np.sqrt(np.diag(covariance))
    corr = covariance / np.outer(scale, scale)
    return {
        **{f"scale[{i}]": {"mean": float(scale[i]), "sd": float(scale[i] / np.sqrt(2 * len(y)))} for i in range(3)},
        **{f"corr[{i}, {j}]": {"mean": float(corr[i, j])} for i, j in ((0, 1), (0, 2), (1, 2))},
        **{f"mu[{i}]": {"mean": float(y[:, i].mean()), "sd": float(scale[i] / np.sqrt(len(y)))} for i in range(3)},
    }


def cauchy() -> Answers:
    """32: quantiles of the prior, as nothing is known of theta and tau."""
    theta, tau = stats.cauchy(), stats.halfcauchy()
    return {
        name: {f"q{round(100 * p)}": float(law.ppf(p)) for p in (0.05, 0.5, 0.95)}
        for name, law in (("theta", theta), ("tau[0]", tau), ("tau[1]", tau))
    }


def forward(y: np.ndarray, p_stay: Any, low: Any, high: Any) -> np.ndarray:
    """Log p(y) of the hidden Markov model of case 33 at each point, by the forward algorithm."""
    p_stay, low, high = np.broadcast_arrays(p_stay, low, high)
    state = np.stack([np.ones_like(p_stay), np.zeros_like(p_stay)])
    total = np.zeros_like(p_stay)
    for seen in y:
        moved = np.stack([p_stay * state[0] + (1 - p_stay) * state[1], (1 - p_stay) * state[0] + p_stay * state[1]])
        joint = moved * np.stack([stats.norm.pdf(seen, low, 1.0), stats.norm.pdf(seen, high, 1.0)])
        norm = joint.sum(0)
        state, total = joint / norm, total + np.log(norm)
    return total


def hidden_markov() -> Answers:
    """33: the posterior on a grid over p_stay and both means."""
    y = data("33-hmm-scan-enum")["y"]
    p, low, high = (np.arange(100) + 0.5) / 100, np.linspace(-3.5, 1.5, 61), np.linspace(-1.5, 3.5, 61)
    grid = p[:, None, None], low[None, :, None], high[None, None, :]
    prior = stats.beta(8, 2).logpdf(grid[0]) + stats.norm(-1, 0.5).logpdf(grid[1]) + stats.norm(1, 0.5).logpdf(grid[2])
    found = on_grid(prior + forward(y, *grid), p_stay=p, low=low, high=high)
    return {"p_stay": found["p_stay"], "mu[0]": found["low"], "mu[1]": found["high"]}


def hidden_markov_mle() -> Answers:
    """33: maximum likelihood; p_stay by its logit."""
    y = data("33-hmm-scan-enum")["y"]
    found = optimize.minimize(
        lambda z: -float(forward(y, 1 / (1 + np.exp(-z[0])), z[1], z[2])),
        (1.0, -1.0, 1.0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 10_000},
    )
    p = 1 / (1 + np.exp(-found.x[0]))
    return {"p_stay": {"mean": float(p)}, "mu[0]": {"mean": float(found.x[1])}, "mu[1]": {"mean": float(found.x[2])}}


def five_rows() -> Answers:
    """35, 36, 39, 43: a normal mean of five rows."""
    return {"mu": normal_mean(data("35-site-named-obs")["y"])}


def wider() -> Answers:
    """37: the noise is 1.5."""
    given = data("37-data-key-self")
    return {"mu": normal_mean(given["y"], noise=1.5)}


def helper(centre: float, prior: float) -> Answers:
    """46: the prior is in the program and in its helper."""
    return {"mu": {"mean": normal_mean(data("46-skip-finished")["y"], prior=prior, centre=centre)["mean"]}}


def line(name: str) -> Answers:
    """51: ordinary least squares."""
    x, y = table("51-huge-scale-regression", name).T
    slope = np.polyfit((x - x.mean()) / x.std(), y, 1)[0]
    slope = slope / x.std()
    return {"slope": {"mean": float(slope)}, "intercept": {"mean": float(y.mean() - slope * x.mean())}}


def moving_support() -> Answers:
    """56: the posterior on a fine grid; 1 / (2 - low) is the density of high given low."""
    low = (np.arange(2000) + 0.5) / 2000

    law = stats.truncnorm((2 * low - 1.5) / 0.1, (low + 0.5) / 0.1, loc=1.5 - low, scale=0.1)
    mass = stats.norm.cdf((low + 0.5) / 0.1) - stats.norm.cdf((2 * low - 1.5) / 0.1)
    inside = low < 0.95  # beyond it nothing is left
    moments = np.where(inside, mass / (2 - low), 0.0) * np.stack([np.ones_like(low), law.mean(), law.var() + law.mean() ** 2])
    moments = np.nan_to_num(moments).T

    weight = moments[:, 0] / moments[:, 0].sum()
    mean = {"low": float(weight @ low), "high": float(moments[:, 1].sum() / moments[:, 0].sum())}
    square = {"low": float(weight @ low**2), "high": float(moments[:, 2].sum() / moments[:, 0].sum())}
    return {name: {"mean": mean[name], "sd": float(np.sqrt(square[name] - mean[name] ** 2))} for name in mean}


def rare_mle() -> Answers:
    """73, 79: three of ten million."""
    p = 3e-7
    return {"p": {"mean": p, "sd": float(np.sqrt(p * (1 - p) / 1e7))}}


def rare() -> Answers:
    """73, 79: Beta(4, 10^7 - 2)."""
    law = stats.beta(4, 1e7 - 2)
    return {"p": {"mean": float(law.mean()), "sd": float(law.std())}}


def _tent(c: Any) -> Any:
    y = data("78-custom-distribution")["y"]
    return -np.log(np.cosh(y[:, None] - np.atleast_1d(c))).sum(0)


def tent() -> Answers:
    """78: a density of the user's own, on a grid."""
    c = np.linspace(-8, 10, 20_001)
    return on_grid(_tent(c) + stats.norm(0, 5).logpdf(c), c=c)


def tent_mle() -> Answers:
    """78: maximum likelihood."""
    return at_mode(lambda c: -float(_tent(c)[0]), (1.0,), ("c",))


def longer(noise: float) -> Answers:
    """80: before and after the edit."""
    return {"mu": normal_mean(data("80-extend-small-edit")["y"], noise=noise)}


def logged(case: str) -> Answers:
    """66, 86: mean and scale of log y, on a grid."""
    y = np.log(data(case)["y"])
    mu, s = np.linspace(0.5, 3.5, 601), np.linspace(0.05, 3.0, 1181)
    total = stats.norm(0, 5).logpdf(mu)[:, None] + stats.halfnorm(0, 2).logpdf(s)[None, :]
    sums = y.size, y.sum(), (y**2).sum()
    square = sums[2] - 2 * mu[:, None] * sums[1] + sums[0] * mu[:, None] ** 2
    return on_grid(total - sums[0] * np.log(s)[None, :] - square / (2 * s[None, :] ** 2), mu=mu, s=s)


ANSWERS: dict[str, Callable[[], Answers]] = {
    "01-subsample": subsample,
    "02-param": param,
    "03-odeint-mle": decay,
    "04-scope-slash": scope,
    "08-obs-mask": imputed,
    "09-mask-named-y": masked,
    "14-lkj": correlated,
    "32-halfcauchy-seeds": cauchy,
    "33-hmm-scan-enum": hidden_markov,
    "33-hmm-scan-enum mle": hidden_markov_mle,
    "35-site-named-obs": five_rows,
    "36-site-named-draw": lambda: {"draw": five_rows()["mu"]},
    "37-data-key-self": wider,
    "39-module-name-test": five_rows,
    "43-env-chdir": five_rows,
    "46-skip-finished": lambda: helper(0.0, 0.1),
    "46-skip-finished helper": lambda: helper(50.0, 0.1),
    "46-skip-finished program": lambda: helper(50.0, 0.2),
    "51-huge-scale-regression": lambda: line("a.csv"),
    "51-huge-scale-regression tiny": lambda: line("b.csv"),
    "56-dynamic-support": moving_support,
    "66-compare-log-response": lambda: logged("66-compare-log-response"),
    "73-rare-event-mle": rare_mle,
    "73-rare-event-mle nuts": rare,
    "78-custom-distribution": tent,
    "78-custom-distribution mle": tent_mle,
    "80-extend-small-edit": lambda: longer(1.0),
    "80-extend-small-edit after": lambda: longer(1.25),
    "86-computed-observation": lambda: logged("86-computed-observation"),
}
"""The answers by case, and by what was asked where a case asks several things."""


if __name__ == "__main__":
    for asked, compute in ANSWERS.items():
        print(asked, json.dumps(compute()))  # noqa: T201 - a script's output
