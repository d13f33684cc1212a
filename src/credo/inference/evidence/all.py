"""Log p(data) by every way that applies: where two right ways disagree, a part of the posterior was missed."""

import json
from dataclasses import dataclass, replace
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from credo.config.naming import Named
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, NO_LISTENER, Inference
from credo.inference.evidence import table
from credo.inference.evidence.base import Evidence
from credo.inference.evidence.bridge import require_integrable
from credo.inference.result import Result
from credo.models.problem import Problem


@dataclass(frozen=True)
class All(Named):
    """Every way that applies beside what the method gives by itself; the check `evidence` asks whether they agree.

    Attributes:
        ways: by its word, a way from the draws or a method that gives log p(data); `None` leaves one out.
    """

    ways: dict[str, Any]

    derives = "log evidence"

    def check(self, problem: Problem, method: Inference) -> None:  # noqa: ARG002 - those that do not apply are named
        """Refuse what has no log p(data)."""
        require_integrable(problem, f"evidence={self.name}")

    def derived(self, problem: Problem, result: Result, key: PRNGKeyArray) -> Result:
        """The result with log p(data) by all ways; the attribute `without` says why the others do not apply."""
        without = {}
        for number, (word, way) in enumerate(self.ways.items()):
            if way is None or word == result.method:
                continue
            try:
                result = _with(problem, result, way, jax.random.fold_in(key, number))
            except (ConfigError, RunError) as error:
                without[word] = str(error)
            else:
                if word not in table.found(result.tree):
                    without[word] = "its own check failed"
        if table.GROUP not in result.tree.children:
            table.merged(result.tree, {})
        result.tree[table.GROUP].attrs["without"] = json.dumps(without)
        return result


def _with(problem: Problem, result: Result, way: Evidence | Inference, key: PRNGKeyArray) -> Result:
    """The result with log p(data) by one more way, and what that cost."""
    if isinstance(way, Evidence):
        return way.derived(problem, result, key)
    way.check(problem)
    other = way.run(problem, key, NO_LISTENER, NO_CHECKPOINTER)
    table.merged(result.tree, table.found(other.tree))
    cost = replace(other.cost, seconds={"evidence": sum(other.cost.seconds.values())})
    return replace(result, cost=result.cost + cost)
