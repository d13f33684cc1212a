"""What Bambi says of twelve regressions; `bambi.py` runs this file in an environment of Bambi's own.

    python -P experiments/benchmarks/bambi_record.py NAME

It prints the table, the design, the priors as credo's words, and of every parameter its mean, standard deviation, Monte
Carlo standard error and bulk effective sample size, as JSON. Bambi centres predictors, as credo does.
"""

import json
import sys
from importlib.metadata import version
from typing import Any, NamedTuple

import arviz
import bambi
import numpy as np
import pandas as pd
from bambi import Prior
from sklearn import datasets

CHAINS, DRAWS, LEAST = 2, 4000, 4500
MOST = 32_000
"""Draws of a chain; they are doubled until every parameter is worth LEAST."""

DYESTUFF = (
    (1545, 1440, 1440, 1520, 1580),
    (1540, 1555, 1490, 1560, 1495),
    (1595, 1550, 1605, 1510, 1560),
    (1445, 1440, 1595, 1465, 1545),
    (1595, 1630, 1515, 1635, 1625),
    (1520, 1455, 1450, 1480, 1445),
)
"""Yields of six batches (Davies and Goldsmith 1972; `Dyestuff` of lme4)."""

RATS = (
    (151, 199, 246, 283, 320),
    (145, 199, 249, 293, 354),
    (147, 214, 263, 312, 328),
    (155, 200, 237, 272, 297),
    (135, 188, 230, 280, 323),
    (159, 210, 252, 298, 331),
    (141, 189, 231, 275, 305),
    (159, 201, 248, 297, 338),
    (177, 236, 285, 350, 376),
    (134, 182, 220, 260, 296),
    (160, 208, 261, 313, 352),
    (143, 188, 220, 273, 314),
    (154, 200, 244, 289, 325),
    (171, 221, 270, 326, 358),
    (163, 216, 242, 281, 312),
    (160, 207, 248, 288, 324),
    (142, 187, 234, 280, 316),
    (156, 203, 243, 283, 317),
    (157, 212, 259, 307, 336),
    (152, 203, 246, 286, 321),
)
"""Weights in grams at 8, 15, 22, 29 and 36 days (Gelfand et al. 1990, the first twenty)."""

SPRAYS = {
    "A": (10, 7, 20, 14, 14, 12, 10, 23, 17, 20, 14, 13),
    "B": (11, 17, 21, 11, 16, 14, 17, 17, 19, 21, 7, 13),
    "C": (0, 1, 7, 2, 3, 1, 2, 1, 3, 0, 1, 4),
    "D": (3, 5, 12, 6, 4, 3, 5, 5, 5, 5, 2, 4),
    "E": (3, 5, 3, 5, 3, 6, 1, 1, 3, 2, 6, 4),
    "F": (11, 9, 15, 22, 15, 16, 13, 10, 26, 26, 24, 13),
}
"""Insects after six sprays (Beall 1942; `InsectSprays` of R)."""

SEEDS = {
    "r": (10, 23, 23, 26, 17, 5, 53, 55, 32, 46, 10, 8, 10, 8, 23, 0, 3, 22, 15, 32, 3),
    "n": (39, 62, 81, 51, 39, 6, 74, 72, 51, 79, 13, 16, 30, 28, 45, 4, 12, 41, 30, 51, 7),
    "seed": ("a75",) * 11 + ("a73",) * 10,
    "extract": tuple("bean" if i < 5 or 11 <= i < 16 else "cucumber" for i in range(21)),
}
"""Seeds that germinate on 21 plates (Crowder 1978)."""

STACKS = {
    "air": (80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70),
    "water": (27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20),
    "loss": (42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15),
}
"""Ammonia lost by a plant on 21 days (Brownlee 1965)."""


class Case(NamedTuple):
    """One regression.

    - **table** - its columns.
    - **formula** - in the words of both.
    - **family** - as credo has it.
    - **intercept** - mean and scale of its normal prior, where the predictors are at their means; `None` for none.
    - **beta** - scale of the normal prior of all coefficients.
    - **own** - the priors of the family's parameters: credo's name -> Bambi's name, credo's words, Bambi's prior.
    - **sd** - scale of the half-normal prior of the deviations of groups.
    """

    table: pd.DataFrame
    formula: str
    family: str
    intercept: tuple[float, float] | None
    beta: float
    own: dict[str, tuple[str, str, Prior]]
    sd: float = 0.0


FAMILIES = {"student_t": "t", "negative_binomial": "negativebinomial", "ordinal": "cumulative"}
"""Bambi's names, where they are others."""


def _sigma(scale: float) -> dict[str, tuple[str, str, Prior]]:
    return {"sigma": ("sigma", f"model.prior.sigma.scale={scale}", Prior("HalfNormal", sigma=scale))}


def _half(name: str, theirs: str, scale: float) -> dict[str, tuple[str, str, Prior]]:
    words = f"prior@model.prior.{name}=half_normal model.prior.{name}.scale={scale}"
    return {name: (theirs, words, Prior("HalfNormal", sigma=scale))}


def cases() -> dict[str, Case]:
    """All of them by name."""
    iris = datasets.load_iris(as_frame=True)
    flowers = iris.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
    flowers = flowers.assign(species=np.array(iris.target_names)[iris.target]).iloc[::2].reset_index(drop=True)
    sick = datasets.load_diabetes(as_frame=True, scaled=False)
    sick = sick.data.assign(target=sick.target)[["age", "sex", "bmi", "bp", "target"]].iloc[:80]
    sick = sick.assign(sex=np.where(sick["sex"] > 1, "two", "one"))
    cancer = datasets.load_breast_cancer(as_frame=True)
    tumours = pd.DataFrame({"texture": cancer.data["mean texture"], "kind": np.array(["m", "b"])[cancer.target]})
    tumours = tumours.assign(malignant=(tumours["kind"] == "m").astype(int)).iloc[:100, [0, 2]]
    insects = pd.DataFrame([(spray, count) for spray, all_ in SPRAYS.items() for count in all_])
    insects = insects.set_axis(["spray", "insects"], axis=1)
    dyes = pd.DataFrame([(letter, y) for letter, all_ in zip("ABCDEF", DYESTUFF, strict=True) for y in all_])
    rats = pd.DataFrame(
        [(f"r{i:02}", day, y) for i, all_ in enumerate(RATS) for day, y in zip((8, 15, 22, 29, 36), all_, strict=True)]
    )
    seeds = pd.DataFrame(SEEDS).assign(plate=[f"p{i:02}" for i in range(21)])
    df = {"df": ("nu", "model.prior.df.rate=0.1", Prior("Gamma", alpha=2, beta=0.1))}
    cut = {"cutpoints": ("threshold", "model.prior.cutpoints.scale=5.0", Prior("Normal", mu=0, sigma=5))}
    flat = sick.assign(grade=np.digitize(sick["target"], [90, 150, 220]) + 1)[["bmi", "bp", "grade"]]
    return {
        "interaction": Case(flowers, "sepal_length ~ petal_width*species", "gaussian", (6, 5), 3, _sigma(2.0)),
        "curve": Case(sick[["bmi", "sex", "target"]], "target ~ poly(bmi, 2) + sex", "gamma", (5, 2), 2,
                       _half("shape", "alpha", 3.0)),
        "outliers": Case(pd.DataFrame(STACKS), "loss ~ air + water", "student_t", (17, 20), 5, _sigma(10.0) | df),
        "two_classes": Case(tumours, "malignant ~ texture", "bernoulli", (0, 3), 1, {}),
        "counts": Case(insects, "insects ~ spray", "poisson", (2, 3), 2, {}),
        "more_spread": Case(insects, "insects ~ spray", "negative_binomial", (2, 3), 2,
                            _half("concentration", "alpha", 20.0)),
        "no_intercept": Case(flowers, "sepal_width ~ 0 + species + scale(petal_length)", "gaussian", None, 4,
                             _sigma(2.0)),
        "batches": Case(dyes.set_axis(["batch", "amount"], axis=1), "amount ~ 1 + (1 | batch)", "gaussian",
                        (1500, 100), 1, _sigma(100.0), 60),
        "slopes": Case(rats.set_axis(["rat", "day", "weight"], axis=1), "weight ~ day + (1 + day | rat)", "gaussian",
                       (240, 50), 10, _sigma(20.0), 10),
        "plates": Case(seeds, "p(r, n) ~ seed*extract + (1 | plate)", "binomial", (0, 2), 2, {}, 1),
        "species": Case(flowers[["sepal_length", "sepal_width", "species"]], "species ~ sepal_width + sepal_length",
                        "categorical", (0, 3), 2, {}),
        "grades": Case(flat, "grade ~ bmi + bp", "ordinal", None, 1, cut),
    }  # fmt: skip


def words(case: Case) -> list[str]:
    """The case as credo's command has it."""
    found = [f"model.family={case.family}", "model.autoscale=false", f"model.prior.beta.scale={case.beta}"]
    if case.intercept is not None:
        loc, scale = case.intercept
        found += [f"model.prior.intercept.loc={loc}", f"model.prior.intercept.scale={scale}"]
    if case.sd:
        found += [f"model.prior.sd.scale={case.sd}", "model.correlated=false"]
    return [*found, *(word for _, words, _ in case.own.values() for word in words.split())]


def built(case: Case) -> Any:
    """Bambi's model."""
    family = FAMILIES.get(case.family, case.family)
    priors: dict[str, Any] = {theirs: prior for theirs, _, prior in case.own.values()}
    table = case.table
    if case.family == "ordinal":
        table = table.assign(grade=pd.Categorical(table["grade"], ordered=True))
    link = "log" if case.family == "gamma" else None  # credo's first; Bambi's is the inverse
    model = bambi.Model(case.formula, table, family=family, link=link)
    design = next(iter(model.parameters.values())).design
    for name in design.common.terms if design.common else ():
        if name == "Intercept" and case.intercept is not None:
            priors[name] = Prior("Normal", mu=case.intercept[0], sigma=case.intercept[1])
        else:
            priors[name] = Prior("Normal", mu=0, sigma=case.beta)
    for name in design.group.terms if design.group else ():
        priors[name] = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=case.sd))
    return bambi.Model(case.formula, table, family=family, priors=priors, link=link)


def main() -> None:
    """Fit, and print."""
    case = cases()[sys.argv[1]]
    model, draws = built(case), DRAWS
    # nutpie takes the comma in a term's name for another axis
    sampler = "pymc" if "," in case.formula and not case.formula.startswith("p(") else "nutpie"
    while True:
        fit = model.fit(
            draws=draws,
            tune=1500,
            chains=CHAINS,
            cores=1,
            inference_method=sampler,
            random_seed=1,
            progressbar=False,
            nuts={"target_accept": 0.95},
        )
        table = arviz.summary(fit, kind="all", round_to="none")
        print(draws, table["ess_bulk"].min(), file=sys.stderr)  # noqa: T201 - a script's output
        if table["ess_bulk"].min() >= LEAST or draws >= MOST:
            break
        draws *= 2
    common = next(iter(model.parameters.values())).design.common
    x = common.as_dataframe() if common else pd.DataFrame()
    told = {
        "formula": case.formula,
        "words": words(case),
        "table": {name: column.tolist() for name, column in case.table.items()},
        "design": {name: column.tolist() for name, column in x.items()},
        "posterior": table[["mean", "sd", "mcse_mean", "ess_bulk"]].T.to_dict("list"),
        "names": {theirs: ours for ours, (theirs, _, _) in case.own.items()},
        "draws": CHAINS * draws,
        "versions": {name: version(name) for name in ("bambi", "formulae", "pymc", "nutpie")},
    }
    print(json.dumps(told))  # noqa: T201 - a script's output


if __name__ == "__main__":
    main()
