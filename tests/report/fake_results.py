"""Results made of numpy draws, and conditional predictions with known distributions."""

import numpy as np
import xarray as xr
from scipy.stats import norm

from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status

DRAWS = ("chain", "draw")
COST = Cost({"compile": 1.2, "warmup": 0.3, "sampling": 0.25}, gradients=63450, density_evaluations=63450, programs=2)


def make(
    groups: dict[str, xr.Dataset], method: str = "nuts", kind: Kind = Kind.CHAINS, status: Status = Status.DONE
) -> Result:
    return Result(xr.DataTree.from_dict(groups), status, COST, method, kind, tuple(groups["posterior"].data_vars))


PROBABILITIES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def predictive(rows: int = 1000, targets: int = 1, width: float = 1.0, kind: str = "test") -> xr.Dataset:
    """Standard Gaussian observations, predicted by Gaussians of a deviation of `width`."""
    y = np.random.default_rng(0).normal(size=(rows, targets))
    predicted = norm(0, width)
    z, pit = y / width, predicted.cdf(y)
    each = {
        "y": y,
        "mean": np.zeros_like(y),
        "sd": np.full_like(y, width),
        "pit": pit,
        "crps": width * (z * (2 * pit - 1) + 2 * norm.pdf(z) - np.pi**-0.5),  # Gneiting & Raftery 2007, equation 21
    }
    quantile = np.broadcast_to(predicted.ppf(PROBABILITIES), (*y.shape, 5))
    return xr.Dataset(
        {name: (("row", "target"), values) for name, values in each.items()}
        | {
            "nll": ("row", -predicted.logpdf(y).sum(1)),
            "quantile": (("row", "target", "probability"), quantile),
        },
        {"target": [f"y{i}" for i in range(targets)], "probability": PROBABILITIES},
        {"rows": kind},
    )


def curve(targets: int = 1, components: int = 2, rows: int = 300, held: str = "") -> xr.Dataset:
    """Two branches +-2 x, of deviation 0.3 + x / 4 and with weights sigmoid(+-4 (x - 1/2)), for 0 <= x <= 1.

    More components have no weight.
    """
    at, level = np.linspace(0, 1, 60), np.linspace(-4, 4, 120)
    one = 1 / (1 + np.exp(-4 * (at - 0.5)))
    weight = np.zeros((60, components))
    weight[:, 0] = one
    weight[:, 1 % components] += 1 - one
    sd = 0.3 + at / 4

    def cdf(z: np.ndarray) -> np.ndarray:
        return one * norm.cdf((z - 2 * at) / sd) + (1 - one) * norm.cdf((z + 2 * at) / sd)

    fine = np.linspace(-5, 5, 2001)
    total = cdf(fine[:, None])
    quantile = np.array([np.interp(PROBABILITIES, total[:, i], fine) for i in range(60)])
    density = np.gradient(cdf(level[:, None]), level, axis=0).T
    random = np.random.default_rng(0)
    x = random.uniform(size=rows)
    branch = np.where(random.uniform(size=rows) < 1 / (1 + np.exp(-4 * (x - 0.5))), 2 * x, -2 * x)
    y = branch + (0.3 + x / 4) * random.normal(size=rows)
    each = ("point", "target")
    return xr.Dataset(
        {
            "at": ("point", at),
            "quantile": ((*each, "probability"), np.repeat(quantile[:, None], targets, 1)),
            "weight": (("point", "component"), weight),
            "level": (("target", "level"), np.tile(level, (targets, 1))),
            "density": ((*each, "level"), np.repeat(density[:, None], targets, 1)),
            "seen_at": ("seen", x),
            "seen_y": (("seen", "target"), np.repeat(y[:, None], targets, 1)),
        },
        {"target": [f"y{i}" for i in range(targets)], "probability": PROBABILITIES},
        {"feature": "dose", "held": held},
    )


def training(members: int = 3, epochs: int = 100, every: int = 5) -> xr.Dataset:
    """Curves that fall; validation is measured at some epochs and rises after the 60th; the last member stops early."""
    epoch = np.arange(1, epochs + 1.0)
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, members, epochs))
    train = 1 + 8 * np.exp(-epoch / 6) - 0.003 * epoch + noise[0]
    validation = 1.15 + 8 * np.exp(-epoch / 6) + 6e-5 * (epoch - 60) ** 2 + noise[1]
    validation[:, epoch % every != 0] = np.nan
    train[-1, int(0.8 * epochs) :] = validation[-1, int(0.8 * epochs) :] = np.nan
    best = 1 + np.nanargmin(validation, axis=1) if epochs >= every else np.ones(members, int)
    return xr.Dataset(
        {
            "train": (("member", "epoch"), train),
            "validation": (("member", "epoch"), validation),
            "best": ("member", best),
        }
    )
