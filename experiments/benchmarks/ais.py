"""How near annealed importance sampling comes to exact log Z; writes `ais.md` beside this file.

    python experiments/benchmarks/ais.py

Five models whose log Z is known exactly, from `../shared/reference/closed_forms.json`: two seeded RBMs and the periodic
4 x 4 Ising model at three temperatures, the last one critical. Gibbs sampling moves the chains, all settings are the
defaults but for the numbers of chains and rungs.

Passed: every one of 20 seeds within 0.1 nat of the truth, the truth within the interval of at least 18 of them, and the
error of the forward estimate, a root mean square over 60 seeds, falling with the square root of the number of chains: a
fitted exponent between -0.6 and -0.4. Where that mean is of 60 normal errors, the exponent has the standard error 0.03.
"""

import importlib.metadata
import json
import sys
import time
from datetime import UTC, datetime
from math import log

import jax
import numpy as np
from posteriors import HERE, REFERENCE

from credo.energies.base import Energy
from credo.energies.ising import Ising
from credo.energies.normaliser import ais
from credo.energies.rbm import BernoulliRbm
from credo.energies.samplers.gibbs import Gibbs
from credo.experiment import device

CHAINS, RUNGS, SEEDS = 400, 200, 20
SIZES, REPEATS = (25, 100, 400, 1600), 60
MACHINES = ("nv6_nh4_scale0.5_seed0", "nv10_nh8_scale0.5_seed1")
TEMPERATURES = ("0.2000000000", "0.4000000000", "0.4406867935")


def main() -> None:
    """Estimate all, print and write the tables."""
    device.start("cpu", "float64", None, "~/.cache/credo")
    exact, falling, good = [], [], True
    for name, (energy, known) in models().items():
        passed, line = intervals(name, energy, known)
        straight, other = slope(name, energy, known)
        good = good and passed and straight
        exact.append(line)
        falling.append(other)
        print(line, other, sep="\n", flush=True)  # noqa: T201 - a script's output
    text = page(exact, falling)
    (HERE / "ais.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(not good)


def models() -> dict[str, tuple[Energy, float]]:
    """Each energy and its exact log Z."""
    known = json.loads((REFERENCE / "closed_forms.json").read_text())
    found: dict[str, tuple[Energy, float]] = {}
    for word in MACHINES:
        visible, hidden, scale, seed = (float(part.lstrip("nvhscaled")) for part in word.split("_"))
        rng = np.random.default_rng(int(seed))
        shapes = (int(visible), int(hidden)), int(visible), int(hidden)
        machine = BernoulliRbm(*(rng.normal(0, scale, shape) for shape in shapes))
        found[f"RBM {int(visible)} x {int(hidden)}"] = machine, known["rbm"][word]["logZ"]
    for word in TEMPERATURES:
        # the reference's last temperature is the critical one in full
        k = log(1 + 2**0.5) / 2 if word == TEMPERATURES[-1] else float(word)
        torus = Ising.lattice((4, 4), inverse_temperature=k)
        found[f"Ising 4 x 4, K = {k:.4f}"] = torus, known["ising_2d"][word]["lnZ_brute_4x4"]
    return found


def estimated(energy: Energy, seed: int, chains: int) -> ais.Estimate:
    """One estimate, nothing of it shared with those of other seeds."""
    return ais.log_z(energy, None, Gibbs(1), jax.random.PRNGKey(seed), chains=chains, rungs=RUNGS)


def intervals(name: str, energy: Energy, known: float) -> tuple[bool, str]:
    """Whether the estimates of all seeds are near enough, and a line of the first table."""
    jax.block_until_ready(estimated(energy, 0, CHAINS))
    begin = time.perf_counter()
    found = [jax.device_get(estimated(energy, seed, CHAINS)) for seed in range(SEEDS)]
    seconds = (time.perf_counter() - begin) / SEEDS
    errors = np.array([one.log_z - known for one in found])
    held = sum(bool(one.low <= known <= one.high) for one in found)
    passed = bool(np.abs(errors).max() < 0.1 and held >= 18)
    score = np.sqrt(np.mean([(one.log_z - known) ** 2 / one.error**2 for one in found]))
    width = np.mean([one.high - one.low for one in found])
    ess = np.mean([one.ess for one in found])
    numbers = f"{known:.6f} | {errors.mean():+.4f} | {np.abs(errors).max():.4f} | {score:.2f} | {held} of {SEEDS}"
    word = "yes" if passed else "NO"
    return passed, f"| {name} | {numbers} | {width:.3f} | {ess:.0f} | {seconds:.2f} | {word} |"


def slope(name: str, energy: Energy, known: float) -> tuple[bool, str]:
    """Whether errors fall as they should, and a line of the second table."""
    rms = []
    for chains in SIZES:
        # seeds that the first table has not seen
        found = [float(estimated(energy, 1000 + seed, chains).forward) for seed in range(REPEATS)]
        rms.append(np.sqrt(np.mean(np.square(np.array(found) - known))))
    exponent = float(np.polyfit(np.log(SIZES), np.log(rms), 1)[0])
    passed = -0.6 < exponent < -0.4
    numbers = " | ".join(f"{one:.4f}" for one in rms)
    return passed, f"| {name} | {numbers} | {exponent:.3f} | {'yes' if passed else 'NO'} |"


def page(exact: list[str], falling: list[str]) -> str:
    """The tables in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    command = "`python experiments/benchmarks/ais.py`"
    columns = "model exact mean_error largest_error score truth_within_the_interval its_width ESS seconds passed"
    head = f"| {columns.replace(' ', ' | ').replace('_', ' ')} |"
    lines = [
        "# Annealed importance sampling beside exact log Z",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {command}.",
        "",
        f"{SEEDS} seeds of {CHAINS} chains and {RUNGS} rungs each way, in nats. Errors are those of Bennett's",
        "estimate; the score is the root mean square of error over reported standard error, 1 if these are right; the",
        "interval goes from the forward estimate minus two standard errors to the backward one plus two.",
        "",
        head,
        "| --- " * 10 + "|",
        *exact,
        "",
        f"Root mean square error of the forward estimate over {REPEATS} seeds; its exponent in the number of chains:",
        "",
        "| model | " + " | ".join(f"{chains} chains" for chains in SIZES) + " | exponent | passed |",
        "| --- " * 7 + "|",
        *falling,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
