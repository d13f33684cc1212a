"""Every metric: its name in MLflow and in `objective`, what it is, its unit, and which direction is better."""

from credo.diagnostics.metrics import METRICS, Metric
from reference.checks import KINDS
from reference.markdown import code, definitions, listing, page, prose, sentence

NEEDS = {
    "observed": "observations",
    "diverging": "a Hamiltonian sampler",
    "acceptance_rate": "a sampler that rejects",
    "warmup": "a method with a warm-up, other than `tempering`",
    "test": "held-out rows",
    "conditional": "a model that predicts rows, and held-out ones",
    "classes": "a classifier, and held-out rows",
    "energy": "an energy",
    "evidence": "a method that gives log p(data)",
}


def metrics_page() -> str:
    """The page of all metrics."""
    return page(
        "Metrics",
        "A metric has one name in MLflow, in `metrics.json`, in `sweep.csv` and in `objective=NAME`.",
        "## At the end of a run",
        definitions(_entry(one) for one in METRICS.values() if one.kinds),
        "`information/SCALAR` is what the data say of a scalar, KL(posterior || prior), in nats. A part of your own "
        "may log metrics of any other name.",
        "## While a run goes on",
        definitions(_entry(one) for one in METRICS.values() if not one.kinds),
        "Learning curves have the ending `_train` or `_validation`, as in `nll_validation`.",
    )


def _entry(metric: Metric) -> tuple[str, tuple[str, ...]]:
    """The name, and what it is; below that the unit, the better direction, and what has it."""
    of_all = not metric.kinds or len(metric.kinds) == len(KINDS)
    facts = [
        f"In {metric.unit.removeprefix('in ').replace('s', 'seconds', metric.unit == 's')}" if metric.unit else "",
        f"{metric.better.capitalize()} is better" if metric.better else "",
        "" if of_all else f"Of {listing([KINDS[kind] for kind in metric.kinds])}",
        f"Needs {NEEDS[metric.needs]}" if metric.needs else "",
    ]
    reading = metric.reading.removesuffix(", lower is better")
    told = f"{metric.title}: {reading}" if reading else metric.title
    return code(metric.name), (f"{prose(told)}.", " ".join(sentence(fact) for fact in facts if fact))
