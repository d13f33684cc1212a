"""One network by every method, judged by the same scores; writes `mdn_methods.md` beside this file.

    make benchmark NAME=mdn_methods

A network 1-16-1 of two Gaussian components on `data=branches` (210 training and 90 test rows): maximum likelihood, the
posterior mode, an ensemble of five such, and the weights' posterior by NUTS as `experiment=mdn_bimodal` has it. All are
trained, or begin, alike.
"""

import importlib.metadata
import sys
import time
from datetime import UTC, datetime

import jax
from posteriors import HERE, Quiet
from uci import composed

from credo.diagnostics import verdict as verdicts
from credo.diagnostics.scores import scores
from credo.diagnostics.summary import summarise
from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER
from credo.models.mdn_derived import add_predictive

ALIKE = (
    "data=branches model=mdn model.components=2 model.hidden=[16] model.activation=tanh model.prior.weight.scale=1 "
    "model.prior.bias.scale=1 training.epochs=1000 training.patience=200 training.batch_size=32 "
    "training.learning_rate=0.01"
)
METHODS = {
    "mle": f"{ALIKE} inference=mle",
    "map": f"{ALIKE} inference=map",
    "map, ensemble of 5": f"{ALIKE} inference=map training.members=5",
    "nuts": "experiment=mdn_bimodal",
}
SCORES = ("nll_test", "crps_test", "rmse_test", "coverage_50_test", "coverage_90_test")


def main() -> None:
    """Run all, print and write the table."""
    device.start("cpu", "float64", None, "~/.cache/credo")
    found = {name: judged(words) for name, words in METHODS.items()}
    text = page([f"| {name} | " + " | ".join(cells) + " |" for name, (cells, _) in found.items()])
    (HERE / "mdn_methods.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(not (found["nuts"][1] <= found["map"][1] and found["nuts"][0][0] == "passed"))


def judged(words: str) -> tuple[list[str], float]:
    """The cells of a line, and the NLL."""
    parts = build(composed(*words.split()))
    problem, _ = parts.problem(0)
    key = jax.random.PRNGKey(0)
    began = time.perf_counter()
    result = add_predictive(problem, parts.inference.run(problem, key, Quiet(), NO_CHECKPOINTER), key)
    seconds = time.perf_counter() - began
    summary = summarise(result)
    verdict = verdicts.judge(parts.diagnostics, result, summary)
    known = scores(result)
    reasons = ", ".join(check.name for check in verdict.checks if check.status == "failed")
    worst = f"{summary['r_hat'].max():.3f}" if result.kind == "draws" else ""
    numbers = [f"{known[name]:.3f}" for name in SCORES]
    return [verdict.status + (f" ({reasons})" if reasons else ""), *numbers, worst, f"{seconds:.0f}"], known["nll_test"]


def page(lines: list[str]) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "optax"))
    words = (
        "90 test rows, seed 0. Passed: NUTS has a passed verdict, on its predictions, and an NLL no larger than MAP's."
    )
    head = "| method | verdict | NLL | CRPS | RMSE | 50 % holds | 90 % holds | R-hat | seconds |"
    begin = f"# One network by every method\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`make benchmark NAME=mdn_methods`."
    return "\n".join([begin, "", words, "", head, "| --- " * 9 + "|", *lines, ""])


if __name__ == "__main__":
    main()
