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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from credo.experiment import signals
from credo.inference.base import Checkpointer, Listener, NoCheckpointer, Snapshot

if TYPE_CHECKING:
    from credo.inference.calls import Shareable
    from credo.inference.result import Result
    from credo.models.problem import Problem

    type Prepared = tuple[Shareable, Problem]

MOST_BYTES = 2**30
"""Draws of all jobs that are inferred together and are in memory at once."""

log = logging.getLogger(__name__)


class Watch(NoCheckpointer):
    """Remembers what it is told as a `inference.base.Listener` and `contracts.Checkpointer`.

    Attributes:
        told: to the listener, in order.
        kept: where the inference ended.
    """

    def __init__(self, screen: Listener | None) -> None:
        """Tell `screen`, too."""
        self._screen = screen
        self.told: list[tuple[str, int, int, Mapping[str, float]]] = []
        self.kept: Snapshot | None = None

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Remember, unless a signal stops the sweep."""
        signals.check()
        self.told.append((phase, done, total, numbers))
        if self._screen is not None:
            self._screen.progress(phase, done, total, numbers)

    def done(self, kept: Snapshot) -> None:
        """Remember."""
        self.kept = kept


@dataclass(frozen=True)
class Inferred:
    """What an inference found before its job is run.

    Attributes:
        result: or what it raised.
        watch: who saw how it went.
        jobs: so many were inferred by one program.
    """

    result: "Result | Exception"
    watch: Watch
    jobs: int

    def tell(self, listener: Listener, checkpointer: Checkpointer) -> "Result":
        """Tell how it went, and return the result or raise what the inference raised."""
        for news in self.watch.told:
            listener.progress(*news)
        if isinstance(self.result, Exception):
            raise self.result
        if self.watch.kept is not None:
            checkpointer.done(self.watch.kept)
        return self.result


_GIVEN: ContextVar[Inferred | None] = ContextVar("credo_inferred", default=None)


def given() -> Inferred | None:
    """What was inferred for the job that runs here; `None` where it has to infer by itself."""
    return _GIVEN.get()


@contextmanager
def giving(inferred: Inferred | None) -> Iterator[None]:
    """Let the job that runs here have it."""
    token = _GIVEN.set(inferred)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def infer(configs: Sequence[DictConfig]) -> Iterator[Inferred | None]:
    """Infer what several configurations ask, those together that can be and for which there is room.

    Yields:
        For each in turn what was found; `None` for those that are better run alone: what is wrong with one of them is
        said when it is.
    """
    devices = [OmegaConf.to_container(config.device) for config in configs]
    ready = [
        _prepared(config) if device == devices[0] else None for config, device in zip(configs, devices, strict=True)
    ]
    first = 0
    for last in _ends(ready):
        yield from _found(configs[first:last], ready[first:last])
        first = last


def _found(configs: Sequence[DictConfig], ready: "Sequence[Prepared | None]") -> list[Inferred | None]:
    """What is found at once; nothing where only one can be inferred."""
    found: list[Inferred | None] = [None] * len(configs)
    places = [place for place, known in enumerate(ready) if known is not None]
    if len(places) < 2:
        return found
    import jax

    from credo.inference import calls
    from credo.report.terminal import run as terminal

    try:
        with signals.listening(), terminal.Progress() as screen:
            watches = {place: Watch(screen if place == places[0] else None) for place in places}
            runs = []
            for place, watch in watches.items():
                method, problem = ready[place]  # type: ignore[misc]
                runs.append(method.calls(problem, jax.random.PRNGKey(configs[place].seed), watch, watch))
            results = calls.batched(runs)
    except Exception as error:  # noqa: BLE001 - out of memory, say: each job for itself may go well, or says more
        log.warning("Jobs cannot be run by one program (%s), and run one after another", str(error).split("\n")[0])
        return found
    log.info("%d jobs have run by one program", len(runs))
    for (place, watch), result in zip(watches.items(), results, strict=True):
        found[place] = Inferred(_with_share(result, len(runs)), watch, len(runs))
    return found


def _prepared(config: DictConfig) -> "Prepared | None":
    """The method of a configuration and its problem, if it gains by company."""
    from credo.config.messages import refuse
    from credo.experiment import device
    from credo.experiment.parts import build, make_inference
    from credo.inference.calls import Shareable

    try:
        refuse(config)
        device.start(**OmegaConf.to_container(config.device))  # type: ignore[arg-type]
        method = make_inference(config)
        if not isinstance(method, Shareable) or not method.in_step:
            return None
        problem, _ = build(config).problem(config.seed)
        method.check(problem)
        return (method, problem) if method.gains_by_batching(problem) else None
    except Exception:  # noqa: BLE001 - it is said when the job is run
        return None


def _ends(ready: "Sequence[Prepared | None]") -> Iterator[int]:
    """Where to end, so that the draws of the jobs from one end to the next have room in memory."""
    used = 0
    for place, known in enumerate(ready):
        if known is None:
            continue
        method, problem = known
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
