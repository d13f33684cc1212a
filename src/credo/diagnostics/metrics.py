"""The one registry of metrics: what each is called, its unit, which direction is better, and what has it.

Whoever shows, sorts, searches or optimises metrics asks here. A name that is not here (a metric of a user's own part)
is called by its name, and nobody knows which direction is better.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from credo.inference.kind import Kind

Better = Literal["lower", "higher"]
Need = Literal[
    "observed", "diverging", "acceptance_rate", "warmup", "test", "conditional", "classes", "energy", "evidence"
]

_CHAINS, _POINT, _TRAINED = (Kind.CHAINS,), (Kind.POINT,), (Kind.TRAINED,)
_INDEPENDENT, _DRAWS = (Kind.INDEPENDENT,), (Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)
_WEIGHTED = (Kind.WEIGHTED,)
_ALL = tuple(Kind)


@dataclass(frozen=True)
class Metric:
    """A metric of a run.

    Attributes:
        name: in MLflow and in `objective`.
        title: on pages and in tables.
        reading: what it is, for those who read its title.
        better: which direction is better; `None` where neither is.
        unit: of the number; `s` for seconds.
        digits: after the point while a run goes on; `None` leaves it to the number.
        kinds: of which results it is.
        needs: what a model or method must have for it: `observed` sites, a statistic of the sampler,
            `test` rows, `conditional` (a model that predicts rows, with test rows), `classes` (a classifier, with test
            rows), `energy` (an energy-based model),
            `evidence` (a method that gives log p(data)), `warmup` (chains whose warm-up may end by itself).
    """

    name: str
    title: str
    reading: str = ""
    better: Better | None = None
    unit: str = ""
    digits: int | None = None
    kinds: tuple[Kind, ...] = _ALL
    needs: Need | None = None


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        # how the inference went
        Metric(
            "divergences", "divergent", "divergent transitions", "lower", digits=0, kinds=_CHAINS, needs="diverging"
        ),
        Metric("r_hat_max", "R-hat", "the largest of all scalars", "lower", digits=3, kinds=_CHAINS),
        Metric("ess_bulk_min", "ESS", "the smallest bulk ESS of all scalars", "higher", digits=0, kinds=_CHAINS),
        Metric("ess_tail_min", "ESS tail", "the smallest tail ESS of all scalars", "higher", digits=0, kinds=_CHAINS),
        Metric("ess_per_second", "ESS per second", "of sampling", "higher", kinds=_CHAINS),
        Metric("draws", "draws", "of all chains", kinds=_DRAWS),
        Metric("warmup_draws", "warm-up", "draws per chain that were thrown away", kinds=_CHAINS, needs="warmup"),
        Metric("acceptance_rate", "acceptance rate", "", "higher", kinds=_CHAINS, needs="acceptance_rate"),
        Metric("objective", "log density", "while the optimiser runs", "higher", "nats", 2, kinds=()),
        Metric("log_density", "log density", "at the mode", "higher", "nats", kinds=(*_POINT, *_INDEPENDENT)),
        Metric("gradient_norm", "gradient norm", "the largest component", kinds=(*_POINT, *_INDEPENDENT)),
        Metric("starts_converged", "starts converged", "", "higher", kinds=(*_POINT, *_INDEPENDENT)),
        Metric("epochs", "epochs", "until the weights that were kept, mean of the members", kinds=_TRAINED),
        Metric("step_size", "step", "of the sampler", kinds=()),
        Metric("pareto_k", "k of the ratios", "of the importance ratios", "lower", kinds=_INDEPENDENT),
        Metric("ess_importance", "importance ESS", "independent draws", "higher", kinds=_INDEPENDENT),
        Metric("elbo", "ELBO", "of the best start", "higher", "nats", 2, kinds=_INDEPENDENT),
        Metric("repeats", "repeats", "independent populations", kinds=_WEIGHTED),
        Metric("exchange_rate", "exchange rate", "between neighbouring temperatures", "higher", digits=2, kinds=()),
        Metric("inverse_temperature", "inverse temperature", "1 at the posterior", digits=4, kinds=()),
        Metric("remaining", "evidence left", "in the live points", "lower", digits=3, kinds=()),
        # p(data)
        Metric("log_evidence", "log evidence", "log p(data)", "higher", "nats", kinds=_DRAWS, needs="evidence"),
        Metric("log_evidence_error", "its standard error", "", "lower", "nats", kinds=_DRAWS, needs="evidence"),
        Metric(
            "log_evidence_laplace", "log evidence (Laplace)", "without correction", None, "nats", kinds=_INDEPENDENT
        ),
        # predictions
        Metric(
            "elpd_loo",
            "elpd (LOO)",
            "expected log predictive density, leave-one-out",
            "higher",
            "nats",
            kinds=_CHAINS,
            needs="observed",
        ),
        Metric("elpd_loo_se", "se of elpd", "its standard error", None, "nats", kinds=_CHAINS, needs="observed"),
        Metric("elpd_loo_subsampling_se", "of it by drawing", "where some rows stand for all", None, "nats", kinds=()),
        Metric("p_loo", "p (LOO)", "the effective number of parameters", kinds=_CHAINS, needs="observed"),
        Metric("pareto_k_max", "Pareto k", "the largest of all observations", kinds=_CHAINS, needs="observed"),
        Metric(
            "nll_test",
            "NLL",
            "mean negative log predictive density per row, lower is better",
            "lower",
            "nats per row",
            needs="test",
        ),
        Metric(
            "crps_test",
            "CRPS",
            "continuous ranked probability score, lower is better",
            "lower",
            "in the target's units",
            needs="conditional",
        ),
        Metric("rmse_test", "RMSE", "of the predictive mean", "lower", "in the target's units", needs="conditional"),
        Metric(
            "coverage_50_test",
            "coverage of 50 %",
            "of rows in the central 50 % interval; 0.5 is right",
            needs="conditional",
        ),
        Metric(
            "coverage_90_test",
            "coverage of 90 %",
            "of rows in the central 90 % interval; 0.9 is right",
            needs="conditional",
        ),
        Metric(
            "sharpness_test",
            "width of 90 %",
            "the mean width of the central interval",
            unit="in the target's units",
            needs="conditional",
        ),
        # classes
        Metric("accuracy_test", "accuracy", "the share of rows whose class is right", "higher", needs="classes"),
        Metric("cross_entropy_test", "cross-entropy", "mean log loss", "lower", "nats per row", needs="classes"),
        Metric(
            "cross_entropy_bits_test", "cross-entropy, bits", "mean log loss", "lower", "bits per row", needs="classes"
        ),
        Metric("brier_test", "Brier", "the mean squared error of the probabilities", "lower", needs="classes"),
        Metric("auc_test", "AUC", "of two classes: that the right one is put first", "higher", needs="classes"),
        Metric("ece_test", "ECE", "the expected calibration error, in 15 bins", "lower", needs="classes"),
        Metric("temperature", "temperature", "of the logits, by the validation rows", kinds=_TRAINED, needs="classes"),
        # calibration
        Metric(
            "calibration/alarms",
            "SBC alarms",
            "scalars whose true values have no uniform ranks among the draws, over the replications of +calibrate=N",
            "lower",
            kinds=(),
        ),
        # energies and critics
        Metric("log_z", "log Z", "of the energy, which is no evidence", None, "nats", needs="energy"),
        Metric("log_z_low", "log Z, low", "the lower end of its interval", None, "nats", needs="energy"),
        Metric("log_z_high", "log Z, high", "the upper end of its interval", None, "nats", needs="energy"),
        Metric("nll_test_low", "NLL, low", "the lower end of its interval", "lower", "nats per row", needs="energy"),
        Metric("nll_test_high", "NLL, high", "the upper end of its interval", "lower", "nats per row", needs="energy"),
        Metric("mutual_information", "mutual information", "a lower bound", "higher", "nats", needs="energy"),
        Metric("mutual_information_error", "its error", "", None, "nats", needs="energy"),
        Metric(
            "mutual_information_bound",
            "its ceiling",
            "the most that could have been found",
            "higher",
            "nats",
            needs="energy",
        ),
        Metric("mutual_information_truth", "the truth", "of synthetic data", "higher", "nats", needs="energy"),
        # learning curves
        Metric("nll", "NLL", "negative log likelihood per row", "lower", "nats per row", 3, kinds=()),
        Metric("energy_gap", "energy gap", "of the data and the samples", None, "", 3, kinds=()),
        Metric("fisher", "Fisher divergence", "", "lower", "", 3, kinds=()),
        Metric("nce", "NCE", "noise contrastive loss", "lower", "", 3, kinds=()),
        Metric("mi_bound", "information", "minus the bound of the mutual information", "lower", "nats", 3, kinds=()),
        Metric("energy_score", "energy score", "", "lower", kinds=()),
        # cost
        Metric("gradients", "gradients", "evaluations of the gradient", "lower"),
        Metric("density_evaluations", "density evaluations", "", "lower"),
        Metric("programs", "programs", "that were compiled or loaded", "lower"),
        Metric("seconds/warm", "time", "without compilation", "lower", "s"),
        Metric("seconds/total", "time with compilation", "", "lower", "s"),
        Metric("seconds/compile", "time of compiling", "", "lower", "s"),
        *(
            Metric(f"seconds/{phase}", f"time of {phase}", "", "lower", "s", kinds=kinds)
            for phase, kinds in {"warmup": _CHAINS, "sampling": _DRAWS, "looks": _CHAINS}.items()
        ),
        Metric("seconds/optimisation", "time of optimising", "", "lower", "s", kinds=(*_POINT, *_INDEPENDENT)),
        *(
            Metric(f"seconds/{phase}", f"time of {phase}", "", "lower", "s", kinds=_TRAINED)
            for phase in ("training", "continuation")
        ),
        Metric("seconds/evaluation", "time of evaluation", "", "lower", "s"),
    )
}
"""All metrics by name, those first that are first to be seen while a run goes on."""

_GAIN = "information/"
"""What the data say of a scalar."""

_ENDS = re.compile(r"_(train|validation)$")


def without_compilation(numbers: Mapping[str, float]) -> dict[str, float]:
    """The metric `seconds/warm` from the others; empty where they have no total.

    Example:
        >>> without_compilation({"seconds/total": 20.0, "seconds/compile": 15.0})
        {'seconds/warm': 5.0}
    """
    if "seconds/total" not in numbers:
        return {}
    return {"seconds/warm": numbers["seconds/total"] - numbers.get("seconds/compile", 0.0)}


def find(name: str) -> Metric:
    """The metric of this name; one of another part's is called by its name.

    The points of a learning curve (`nll_train`, `nll_validation`) are called as what they measure. By the
    least value on validation rows the best weights are chosen, whatever a user's own objective measures there.

    Example:
        >>> find("r_hat_max").title, find("nll_validation").unit, find("my_own").title
        ('R-hat', 'nats per row', 'my_own')
    """
    if name in METRICS:
        return METRICS[name]
    if name.startswith(_GAIN):
        return Metric(name, f"information on {name.removeprefix(_GAIN)}", "KL(posterior || prior)", None, "nats")
    stem = _ENDS.sub("", name)
    base = METRICS.get(stem, METRICS.get(f"{stem}_test"))
    if base is None:
        return Metric(name, name, better="lower" if name.endswith("_validation") else None)
    return replace(base, name=name)


def better(name: str) -> Better | None:
    """Which direction of a metric is better, by its name; `None` where nobody knows.

    Example:
        >>> better("ess_bulk_min"), better("seconds/warmup"), better("my_own")
        ('higher', 'lower', None)
    """
    if name.startswith("seconds/"):
        return "lower"
    return find(name).better


def is_news(name: str) -> bool:
    """Whether a metric is shown while a run goes on."""
    metric = find(name)
    return metric.digits is not None or not metric.kinds or bool(_ENDS.search(name))


def place(name: str) -> tuple[int, str]:
    """Where a metric stands among others: as in the registry, and behind these those of other parts, by name."""
    stem = _ENDS.sub("", name)
    return (_PLACES.get(name, _PLACES.get(stem, len(_PLACES))), name)


_PLACES = {name: place for place, name in enumerate(METRICS)}
