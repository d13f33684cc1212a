"""What the checks of Hamiltonian samplers share: their statistics, and whether there should be any."""

import numpy as np
from jaxtyping import Shaped

from credo.diagnostics.answers import group
from credo.inference.kind import Kind
from credo.inference.result import Result


def asked(result: Result, statistic: str) -> bool:
    """Whether the sampler has, or should have, a statistic; random walks have no trajectories that could diverge."""
    return result.kind is Kind.CHAINS and (statistic in result.statistics or statistic in group(result, "sample_stats"))


def statistic(result: Result, name: str) -> Shaped[np.ndarray, "chain draw"] | None:
    """A statistic, or `None` where the sampler did not write it."""
    stats = group(result, "sample_stats")
    if name not in stats or not stats[name].size:
        return None
    return np.asarray(stats[name].transpose("chain", "draw").values)
