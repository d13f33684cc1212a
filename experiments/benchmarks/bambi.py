"""Regressions by formula against Bambi: the same formulas, priors and centring; writes `bambi.md` beside this file.

    make benchmark NAME=bambi
    python experiments/benchmarks/bambi.py --record

`--record` asks Bambi (by PyMC and nutpie, see `bambi_record.py`) in an environment of its own, once, and keeps its
answers in `bambi.json`. A mean is wrong, and the exit code 1, where it is further from Bambi's than four joint Monte
Carlo standard errors, a design where a number differs by more than 1e-10; both sides are worth 4,000 draws at least.
"""

import argparse
import json
import math
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from credo.config import schema, sources
from credo.config.make import make
from credo.data.formula.arranged import arranged
from credo.diagnostics.answer import answer
from credo.experiment import device
from credo.experiment.parts import make_inference
from credo.models.base import Model
from credo.models.problem import Problem

HERE = Path(__file__).parent
KEPT = HERE / "bambi.json"
LEAST = 4000
"""Effective draws of each mean on both sides."""


class Quiet:
    """A listener that says nothing."""

    def progress(self, *told: Any) -> None:
        """Nothing."""


def record(names: list[str], place: Path) -> None:
    """Ask Bambi, and keep each answer as it comes."""
    python = place / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        wanted = ("bambi", "nutpie", "numba", "scikit-learn")
        for words in (
            ("venv", "-q", "--clear", "-p", sys.executable, place),
            ("pip", "install", "-q", "-p", python, *wanted),
        ):
            subprocess.run([uv, *words], check=True)  # noqa: S603 - our own words
    for name in names:
        told = subprocess.run(  # noqa: S603 - -P: this folder's bambi.py is not the library
            [python, "-P", HERE / "bambi_record.py", name], check=True, stdout=subprocess.PIPE, timeout=900
        )
        keep(name, json.loads(told.stdout.splitlines()[-1]))  # the progress of draws comes first


def keep(name: str, told: dict[str, Any]) -> None:
    """Write what Bambi said of one case beside the others."""
    every = (json.loads(KEPT.read_text()) if KEPT.exists() else {}) | {name: told}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in every.items()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def composed(*words: str) -> DictConfig:
    """A configuration."""
    schema.register()
    sources.register()
    with initialize_config_dir(str(HERE.parents[1] / "conf"), version_base="1.3"):
        return compose("config", [*words])


def problem_of(case: dict[str, Any]) -> Problem:
    """The regression of a case."""
    words = [f"model.formula={json.dumps(case['formula'])}", *case["words"]]
    config = composed("data=csv", "data.path=t.csv", "model=regression", *words)
    model = make(config, "model", Model, without=schema.BESIDE["model"])
    data = arranged(pd.DataFrame(case["table"]), model.rows)  # type: ignore[arg-type]
    return Problem(model.fitted(data), data)


def design_is_off_by(case: dict[str, Any], problem: Problem) -> float:
    """The largest difference of a number of the design; infinite where it has other columns."""
    theirs = {name: column for name, column in case["design"].items() if name != "Intercept"}
    ours = problem.data["feature"].values.tolist() if "x" in problem.data else []
    if ours != [*theirs]:
        return math.inf
    pairs = zip(theirs.values(), problem.data["x"].to_numpy().T if ours else (), strict=True)
    return max((float(np.abs(np.asarray(a) - b).max()) for a, b in pairs), default=0.0)


def ours_of(case: dict[str, Any], theirs: str) -> str:
    """What credo calls a parameter of Bambi's.

    Example:
        >>> ours_of({"names": {}, "design": {}, "formula": "w ~ 1 + (1 + day | rat)"}, "day|rat[r01]")
        'effect[rat][r01, day]'
    """
    name, level = re.fullmatch(r"(.*?)(?:\[([^\]]*)\])?", theirs).groups()  # type: ignore[union-attr]
    if name in case["names"]:
        return case["names"][name] + (f"[{level}]" if level else "")
    effect, bar, group = name.partition("|")
    if not bar:
        if theirs == "Intercept" or name == "Intercept":
            return theirs.replace("Intercept", "intercept")
        if theirs in case["design"]:
            return f"beta[{theirs}]"
        parts, levels = name.split(":"), level.split(", ")
        if len(parts) == len(levels) > 1:
            return f"beta[{':'.join(f'{part}[{one}]' for part, one in zip(parts, levels, strict=True))}]"
        return f"beta[{name}, {level}]"
    effect, group, is_sd = effect.replace("1", "Intercept"), group.removesuffix("_sigma"), group.endswith("_sigma")
    alone = f"(1 | {group})" in case["formula"]
    if is_sd:
        return f"sd[{group}]" + ("" if alone else f"[{effect}]")
    return f"effect[{group}]" + (f"[{level}]" if alone else f"[{level}, {effect}]")


def compared(case: dict[str, Any], problem: Problem, draws: int, seed: int) -> pd.DataFrame:
    """Both sides by parameter: mean, standard deviation, error and effective draws, and how far they are apart."""
    method = make_inference(
        composed("inference=nuts", "inference.warmup=1000", f"inference.draws={draws}", "inference.chains=4")
    )
    found = answer(problem, method, {}, jax.random.PRNGKey(seed), Quiet()).summary.set_index("variable")
    theirs = pd.DataFrame(case["posterior"], index=["mean", "sd", "mcse_mean", "ess_bulk"]).T
    theirs.index = pd.Index([ours_of(case, name) for name in theirs.index])
    both = theirs.join(found[[*theirs]].add_suffix("_ours"))
    both["z"] = (both["mean_ours"] - both["mean"]) / np.hypot(both["mcse_mean"], both["mcse_mean_ours"])
    return both


def line(name: str, case: dict[str, Any], off: float, both: pd.DataFrame, *, is_wrong: bool) -> str:
    """A line of the table."""
    ratio, worst = both["sd_ours"] / both["sd"], both["z"].abs().max(skipna=False)
    cells = (
        name,
        f"`{case['formula'].replace('|', chr(92) + '|')}`",
        case["words"][0].partition("=")[2],
        f"{len(both)}",
        f"{off:.0e}",
        f"{worst:.1f}{' (WRONG)' * is_wrong}",
        f"{ratio.min():.3f} to {ratio.max():.3f}",
        *(f"{both[key].min():,.0f}" for key in ("ess_bulk", "ess_bulk_ours")),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Record, or compare and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--record", nargs="*", help="the cases that Bambi is asked again, or all")
    parser.add_argument("--environment", type=Path, default=HERE.parents[1] / ".venv" / "bambi")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--draws", type=int, default=10_000)
    asked = parser.parse_args()
    if asked.record is not None:
        record(asked.record or [*json.loads(KEPT.read_text())], asked.environment)
        return
    device.start("cpu", "float64", None, "~/.cache/credo")
    every, lines, wrong = json.loads(KEPT.read_text()), [], 0
    for name in asked.only or every:
        case = every[name]
        problem = problem_of(case)
        off, both = design_is_off_by(case, problem), compared(case, problem, asked.draws, seed=0)
        worst, least = both["z"].abs().max(skipna=False), both[["ess_bulk", "ess_bulk_ours"]].min(skipna=False)
        is_wrong = not (off <= 1e-10 and worst <= 4 and least.min(skipna=False) >= LEAST)
        wrong += is_wrong
        lines.append(line(name, case, off, both, is_wrong=is_wrong))
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
        if is_wrong:
            print(both.to_string())  # noqa: T201 - the same
    if not asked.only:
        (HERE / "bambi.md").write_text(page(lines, wrong, next(iter(every.values()))["versions"]))
    sys.exit(bool(wrong))


def page(lines: list[str], wrong: int, versions: dict[str, str]) -> str:
    """The table in markdown, with date, versions and command."""
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join(
        [
            "# Regressions by formula against Bambi",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {told}; `make benchmark NAME=bambi`. The same formulas, tables, priors and",
            "centring of predictors on both sides; NUTS with `inference.warmup=1000`, 4 chains, float64, one seed.",
            "",
            f"{wrong} of {len(lines)} are wrong: a mean beyond four joint Monte Carlo standard errors, a number of the",
            f"design off by more than 1e-10, or a mean worth fewer than {LEAST:,} draws. Formulas with `bs` are left",
            "out: the formulae of credo (0.9) centres its basis, that of Bambi (0.6) drops its first column, so that",
            "coefficients mean different things, though the curves are the same. The link of gamma is set to credo's.",
            "",
            "| case | formula | family | means | design off by | z at most | ratio of sd | ESS of Bambi | of credo |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
