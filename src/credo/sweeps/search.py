"""A search by Optuna: trials are the jobs of a sweep, and what they found decides on the next ones.

Optuna keeps the study in a database, so that a search which was stopped goes on with all that it knows. Jobs that are
pruned ask the same database, in whichever process they run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer

from credo.diagnostics import metrics
from credo.errors import ConfigError, PrunedError
from credo.report.sweep.summary import SearchResult
from credo.sweeps import environment

if TYPE_CHECKING:
    import optuna

DIRECTIONS = ("minimize", "maximize")
SAMPLERS = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsga2": "NSGAIISampler",
    "qmc": "QMCSampler",
}
PRUNERS = {"median": "MedianPruner", "halving": "SuccessiveHalvingPruner", "hyperband": "HyperbandPruner"}


@dataclass(frozen=True)
class Dimension:
    """What is searched along one key.

    Attributes:
        key: with Hydra's prefix, as typed.
        distribution: Optuna's.
        words: for choices, what is typed for each of Optuna's values.
    """

    key: str
    distribution: "optuna.distributions.BaseDistribution"
    words: Mapping[Any, str] | None = None

    def override(self, value: Any) -> str:
        """As typed for a job."""
        if self.words is not None:
            return f"{self.key}={self.words[value]}"
        return f"{self.key}={value:.6g}" if isinstance(value, float) else f"{self.key}={value}"


def dimension(override: Override) -> Dimension:
    """Turn what was typed into what Optuna searches: `interval(a,b)`, `range(a,b,step)`, `choice(a,b)` or `a,b`.

    `tag(log, ...)` searches on a logarithmic scale, and `int(interval(a,b))` whole numbers.

    Raises:
        ConfigError: the bounds are impossible.
    """
    from optuna import distributions as those

    key, value = override.get_key_element(), override.value()
    try:
        if isinstance(value, IntervalSweep):
            low, high, log = value.start or 0, value.end or 0, "log" in value.tags
            if "int" in value.tags or (isinstance(low, int) and isinstance(high, int)):
                return Dimension(key, those.IntDistribution(int(low), int(high), log=log))
            return Dimension(key, those.FloatDistribution(float(low), float(high), log=log))
        if isinstance(value, RangeSweep) and not value.shuffle:
            first, end, step = value.start, value.stop, value.step
            if isinstance(first, int) and isinstance(end, int) and isinstance(step, int):
                return Dimension(key, those.IntDistribution(first, end - 1 - (end - 1 - first) % step, step=step))
        words = list(override.sweep_string_iterator())
        values = list(override.sweep_iterator(Transformer.encode))
        plain = [
            one if isinstance(one, bool | int | float | str) else word for one, word in zip(values, words, strict=True)
        ]
        return Dimension(key, those.CategoricalDistribution(plain), dict(zip(plain, words, strict=True)))
    except ValueError as error:
        raise ConfigError(f"{key.lstrip('+')}: {override.get_value_string()} cannot be searched ({error})") from error


def directions(objectives: Sequence[str], asked: str | Sequence[str] | None) -> list[Any]:
    """For each objective, whether it is to be small or large; by its name where nobody says.

    Raises:
        ConfigError: there is no objective, or nobody knows.
    """
    if not objectives:
        raise ConfigError("objective: a search needs one: the metric to optimise, as in objective=elpd_loo")
    if asked is not None:
        words = [asked] if isinstance(asked, str) else list(asked)
        if len(words) != len(objectives) or not set(words) <= set(DIRECTIONS):
            raise ConfigError(
                f"hydra.sweeper.direction: expected minimize or maximize for each of {len(objectives)} objectives, "
                f"but got {asked}"
            )
        return words
    return [_direction(name) for name in objectives]


def _direction(name: str) -> str:
    if (way := metrics.better(name)) is not None:
        return "maximize" if way == "higher" else "minimize"
    raise ConfigError(
        f"hydra.sweeper.direction: whether {name} is to be small or large is not known; set minimize or maximize"
    )


def study(
    storage: str, name: str, ways: Sequence[Any], sampler: "optuna.samplers.BaseSampler", pruner: str | None
) -> "optuna.study.Study":
    """The study of this name, new or as it was left.

    Raises:
        ConfigError: the storage cannot be opened or does not last, or the study there has other objectives.
    """
    import optuna

    from credo.tracking.mlflow.store import reason, require_lasting

    require_lasting("hydra.sweeper.storage", storage)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        made = optuna.create_study(
            storage=_open(storage),
            study_name=name,
            directions=list(ways),
            sampler=sampler,
            pruner=make_pruner(pruner),
            load_if_exists=True,
        )
    except Exception as error:
        raise ConfigError(
            f"hydra.sweeper.storage={storage}: cannot be opened ({reason(error)}); name a database, or leave it out"
        ) from error
    if [way.name.lower() for way in made.directions] != list(ways):
        raise ConfigError(f"objective: the study {name} in {storage} has other objectives; give another study_name")
    return made


def _open(storage: str) -> "optuna.storages.RDBStorage":
    """Optuna's database, with no connection left open between two questions."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    return RDBStorage(storage, engine_kwargs={"poolclass": NullPool})


def make_sampler(word: str, seed: int) -> "optuna.samplers.BaseSampler":
    """Optuna's sampler of this name."""
    import optuna

    if word not in SAMPLERS:
        raise ConfigError(f"hydra.sweeper.sampler: expected one of {', '.join(SAMPLERS)}, but got {word}")
    sampler: optuna.samplers.BaseSampler = getattr(optuna.samplers, SAMPLERS[word])(seed=seed)
    return sampler


def make_pruner(word: str | None) -> "optuna.pruners.BasePruner":
    """Optuna's pruner of this name."""
    import optuna

    if word is None:
        return optuna.pruners.NopPruner()
    if word not in PRUNERS:
        raise ConfigError(f"hydra.sweeper.pruner: expected one of {', '.join(PRUNERS)} or null, but got {word}")
    pruner: optuna.pruners.BasePruner = getattr(optuna.pruners, PRUNERS[word])()
    return pruner


@dataclass
class Pruning:
    """Ends a job whose running metric is hopeless beside those of the trials before; a `inference.base.Listener`."""

    trial: "optuna.trial.Trial"
    metric: str

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Report the metric, and stop where the pruner says so.

        Raises:
            PrunedError: it does.
        """
        if phase == "warmup" or self.metric not in numbers:
            return
        self.trial.report(float(numbers[self.metric]), done)
        if self.trial.should_prune():
            raise PrunedError(f"pruned at {done} of {total}: {self.metric} was {numbers[self.metric]:.4g}")


@contextmanager
def listening() -> Iterator[tuple[Pruning, ...]]:
    """The listeners of the job that runs here: the pruner of its trial, if it has one."""
    if (trial := environment.trial()) is None:
        yield ()
        return
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _open(trial.storage)
    loaded = optuna.load_study(study_name=trial.study, storage=storage, pruner=make_pruner(trial.pruner))
    try:
        yield (Pruning(optuna.trial.Trial(loaded, trial.trial), trial.metric),)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def result(study: "optuna.study.Study", objectives: Sequence[str]) -> SearchResult:
    """What the trials of a study found."""
    import optuna

    ways = tuple(way.name.lower() for way in study.directions)
    complete = [one for one in study.trials if one.state is optuna.trial.TrialState.COMPLETE]
    best = [one.user_attrs["job"] for one in study.best_trials] if complete else []
    importance: dict[str, float] = {}
    if len(complete) >= 4:
        sign = 1.0 if ways[0] == "minimize" else -1.0  # Optuna asks what makes it small
        try:
            importance = optuna.importance.get_param_importances(study, target=lambda trial: sign * trial.values[0])
        except (ValueError, RuntimeError):  # all values are equal, or no key is in all trials
            importance = {}
    return SearchResult(
        tuple(objectives), ways, tuple(best), {key.lstrip("+"): part for key, part in importance.items()}
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's remarks on what is experimental, and on the target of importances."""
    import warnings

    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", message="PedAnovaImportanceEvaluator")
        yield


def database(folder: Path) -> str:
    """The study's own file in the folder of its sweep."""
    return f"sqlite:///{folder / 'optuna.db'}"
