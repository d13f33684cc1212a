"""Whether chains of states agree: the largest R-hat (Vehtari et al. 2021) of their numbers and energies."""

import numpy as np
from jaxtyping import Float

from credo import chain_stats


def largest_r_hat(states: Float[np.ndarray, "chain draw dim"], energies: Float[np.ndarray, "chain draw"]) -> float:
    """The largest R-hat of states and energies; NaN where there is none."""
    numbers = np.concatenate([energies[..., None], states], -1)
    if not np.isfinite(numbers).all():
        return np.nan
    moving = numbers.std((0, 1)) > 0
    if not moving.any():
        return np.nan
    return float(np.max(chain_stats.of(np.moveaxis(numbers[..., moving], 2, 0), chain_stats.r_hat)))
