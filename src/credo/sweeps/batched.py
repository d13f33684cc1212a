"""The inferences of many jobs by one compiled program, before each job is run and recorded as the one that it is.

Jobs whose configurations differ in plain numbers (prior scales, learning rates, seeds, data of equal shape) have the
same programs. Where a method's chains or starts advance in step, so may those of all these jobs. On a CPU nothing is
won by it where loops differ in length (NUTS and its trees, L-BFGS and its line searches) or fill the CPU alone
(networks); such jobs run one after another, by programs that are compiled once. `experiments/benchmarks/together.md`
has the times.
"""

import dataclasses
import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from credo.experiment import signals
from credo.experiment.inferred import Inferred, Watch

if TYPE_CHECKING:
    from credo.inference.calls import Shareable
    from credo.inference.result import Result
    from credo.models.problem import Problem

    type Prepared = tuple[Shareable, Problem]

MOST_BYTES = 2**30
"""Draws of all jobs that are inferred together and are in memory at once."""

log = logging.getLogger(__name__)


def infer(configs: Sequence[DictConfig]) -> Iterator[Inferred | None]:
    """Infer several configurations, batched as far as they can be and memory has room.

    Yields:
        The inference of each in turn; `None` for those that are better run alone. What is wrong with one of them is
        raised again when it is run.
    """
    devices = [OmegaConf.to_container(config.device) for config in configs]
    ready = [
        _prepared(config) if device == devices[0] else None for config, device in zip(configs, devices, strict=True)
    ]
    first = 0
    for last in _ends(ready):
        yield from _batch(configs[first:last], ready[first:last])
        first = last


def _batch(configs: Sequence[DictConfig], ready: "Sequence[Prepared | None]") -> list[Inferred | None]:
    """Infer the jobs that are ready by one program; none where only one is."""
    inferred: list[Inferred | None] = [None] * len(configs)
    places = [place for place, prepared in enumerate(ready) if prepared is not None]
    if len(places) < 2:
        return inferred
    import jax

    from credo.inference import calls
    from credo.report.terminal.progress import Progress

    try:
        with signals.listening(), Progress() as progress:
            watches = {place: Watch(progress if place == places[0] else None) for place in places}
            runs = []
            for place, watch in watches.items():
                method, problem = ready[place]  # type: ignore[misc]
                runs.append(method.calls(problem, jax.random.PRNGKey(configs[place].seed), watch, watch))
            results = calls.batched(runs)
    except Exception as error:  # noqa: BLE001 - out of memory, say: each job for itself may go well, or says more
        log.warning("Jobs cannot be run by one program (%s), and run one after another", str(error).split("\n")[0])
        return inferred
    log.info("%d jobs have run by one program", len(runs))
    for (place, watch), result in zip(watches.items(), results, strict=True):
        inferred[place] = Inferred(_with_share(result, len(runs)), watch, len(runs))
    return inferred


def _prepared(config: DictConfig) -> "Prepared | None":
    """The method of a configuration and its problem, if it gains by company."""
    from credo.config.messages import refuse
    from credo.experiment import device, prior_from
    from credo.experiment.parts import build, make_inference
    from credo.inference.calls import Shareable

    try:
        refuse(config)
        used = device.start(**OmegaConf.to_container(config.device))  # type: ignore[arg-type]
        method = make_inference(config)
        if not isinstance(method, Shareable) or not method.in_step:
            return None
        device.settled(used, config.device.num_devices, in_turn=False)
        problem, _ = prior_from.problem_of(build(config), config)
        method.check(problem)
        return (method, problem) if method.gains_by_batching(problem) else None
    except Exception:  # noqa: BLE001 - it is said when the job is run
        return None


def _ends(ready: "Sequence[Prepared | None]") -> Iterator[int]:
    """Where to end, so that the draws of the jobs from one end to the next have room in memory."""
    used = 0
    for place, prepared in enumerate(ready):
        if prepared is None:
            continue
        method, problem = prepared
        scalars = sum(math.prod(site.shape) for site in problem.sites)
        needed = 3 * 8 * scalars * getattr(method, "chains", 1) * getattr(method, "draws", 1)
        if used and used + needed > MOST_BYTES:
            yield place
            used = 0
        used += needed
    yield len(ready)


def _with_share(result: "Result | Exception", jobs: int) -> "Result | Exception":
    """A result that cost its share of the time that all took together."""
    if isinstance(result, Exception):
        return result
    seconds = {phase: spent / jobs for phase, spent in result.cost.seconds.items()}
    return dataclasses.replace(result, cost=dataclasses.replace(result.cost, seconds=seconds))
