"""A search by Optuna over what is typed as ranges: `hydra/sweeper=optuna`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from credo.config import messages
from credo.errors import ConfigError
from credo.sweeps import environment, search
from credo.sweeps.environment import TRIAL, Trial
from credo.sweeps.sweep import Sweep
from credo.sweeps.sweeper import Prepared

if TYPE_CHECKING:
    import optuna

    from credo.runs.job import Job

STUDY = "credo"


class OptunaSweeper(Prepared):
    """Asks Optuna for the next jobs and reports their objectives.

    Args:
        n_trials: jobs altogether, those of an earlier command that is resumed included.
        n_jobs: jobs that the launcher gets at once.
        sampler: how the next values are chosen: `tpe`, `random`, `gp`, `cmaes`, `nsga2`, `qmc`.
        seed: of the sampler.
        direction: `minimize` or `maximize`, for several objectives a list; `None`: by the names of the metrics.
        pruner: ends hopeless jobs: `median`, `halving`, `hyperband`, or `None`.
        prune_by: the running metric by which it judges; it has the direction of the objective.
        storage: a database of Optuna's; `None`: `optuna.db` in the folder of the sweep.
        study_name: of the study there.
        params: ranges that are always searched.
    """

    def __init__(
        self,
        n_trials: int,
        n_jobs: int,
        sampler: str,
        seed: int,
        direction: str | Sequence[str] | None,
        pruner: str | None,
        prune_by: str | None,
        storage: str | None,
        study_name: str | None,
        params: Mapping[str, str] | None = None,
    ):
        super().__init__(params)
        for name, value in (("n_trials", n_trials), ("n_jobs", n_jobs)):
            if value < 1:
                raise ConfigError(f"hydra.sweeper.{name}: expected at least 1, but got {value}")
        if (pruner is None) != (prune_by is None):
            raise ConfigError("hydra.sweeper.pruner: expected prune_by with it, the running metric by which it judges")
        self.n_trials, self.n_jobs, self.direction = n_trials, n_jobs, direction
        self.pruner, self.prune_by = pruner, prune_by
        self.storage, self.study_name = storage, study_name
        try:
            self.sampler = search.make_sampler(sampler, seed)
        except ImportError as error:
            raise ConfigError(f"hydra/sweeper=optuna: {error}; {messages.installing('optuna')} brings it") from error
        self.pickles = sampler == "cmaes"
        search.make_pruner(pruner)

    def sweep(self, arguments: list[str]) -> Any:
        """Search; the folders of the jobs and the study say what was found.

        Raises:
            ConfigError: there is nothing to search, no objective, or the study cannot be opened.
        """
        overrides = self.parsed(arguments)
        if self.config.sweep.dry_run:
            raise ConfigError("--dry-run: a search chooses each job by those before; leave it out, or type all values")
        space = [search.dimension(one) for one in overrides if one.is_sweep_override()]
        fixed = [str(one.input_line) for one in overrides if not one.is_sweep_override()]
        if not space:
            raise ConfigError(
                "hydra/sweeper=optuna: expected something to search, as in model.prior.loc.scale='interval(0.1,10)'"
            )
        composer = self.composer()
        objectives = _objectives(composer.compose([f for f in fixed if f.startswith(("objective=", "experiment="))], 0))
        ways = search.directions(objectives, self.direction)
        with search.quiet(), self.sweeping(composer, overrides) as sweep:
            study, storage = self._study(sweep, ways)
            sweep.start()
            self._resume(sweep, study, storage)
            while (left := self.n_trials - _done(study)) > 0 and not sweep.is_stopped:
                self._round(sweep, study, storage, space, fixed, min(left, self.n_jobs))
            sweep.result = search.result(study, objectives)

    def _study(self, sweep: Sweep, ways: Sequence[Any]) -> "tuple[optuna.study.Study, str]":
        """The study of a sweep, and its database.

        Raises:
            ConfigError: the study cannot be opened, has enough trials already, or runs what a stranger wrote.
        """
        if self.pickles and self.storage is None and not sweep.plan.is_own:
            raise ConfigError(
                "hydra.sweeper.sampler=cmaes: expected a sweep that your credo wrote, since this sampler reads "
                f"pickles from its database, which run whatever they hold; {sweep.folder} is not known to be one; "
                "begin a new sweep, or choose another sampler"
            )
        storage = self.storage or search.database(sweep.folder)
        if self.storage is None:
            sweep.folder.mkdir(parents=True, exist_ok=True)
        study = search.study(storage, self.study_name or STUDY, ways, self.sampler, self.pruner)
        if not sweep.plan.jobs and (done := _done(study)) >= self.n_trials:
            raise ConfigError(
                f"hydra.sweeper.n_trials: expected more than the {done} trials that the study {study.study_name} "
                f"has already, but got {self.n_trials}; ask for more, or for another study_name"
            )
        return study, storage

    def _resume(self, sweep: Sweep, study: "optuna.study.Study", storage: str) -> None:
        """Trials that were under way when an earlier command ended go on as the jobs that they were."""
        from optuna.trial import TrialState

        for one in study.get_trials(states=[TrialState.RUNNING]):
            number = one.user_attrs.get("job", len(sweep.plan.jobs))
            if number >= len(sweep.plan.jobs):  # stopped before it became a job
                study.tell(one.number, state=TrialState.FAIL)
                continue
            job = replace(sweep.plan.jobs[number], extra=tuple(self._environment(study, storage, one)))
            stands = job.status()
            if stands is None or not stands.is_done:
                stands = sweep.launch([job]).get(number)
            _report(study, one.number, stands)

    def _round(
        self,
        sweep: Sweep,
        study: "optuna.study.Study",
        storage: str,
        space: Sequence[search.Dimension],
        fixed: Sequence[str],
        count: int,
    ) -> None:
        """Ask for some trials, run them, and report their objectives."""
        trials = [study.ask({one.key: one.distribution for one in space}) for _ in range(count)]
        jobs = []
        for trial in trials:
            trial.set_user_attr("job", len(sweep.plan.jobs))
            words = [*fixed, *(one.override(trial.params[one.key]) for one in space)]
            jobs.append(sweep.add(words, self._environment(study, storage, trial)))
        ended = sweep.launch(jobs)
        for trial, job in zip(trials, jobs, strict=True):
            _report(study, trial.number, ended.get(job.number))

    def _environment(self, study: "optuna.study.Study", storage: str, trial: Any) -> list[str]:
        """The overrides by which a job learns of its trial, if it may be pruned."""
        if self.pruner is None or self.prune_by is None:
            return []
        number = trial._trial_id  # noqa: SLF001 - Optuna needs it to load a trial
        return [environment.override(TRIAL, Trial(storage, study.study_name, number, self.prune_by, self.pruner))]


def _report(study: "optuna.study.Study", trial: int, job: "Job | None") -> None:
    """Report the objectives of a trial, or that it has none."""
    from optuna.trial import TrialState

    values = [] if job is None or job.objective is None else list(job.objective)
    if job is not None and job.state == "PRUNED":
        study.tell(trial, state=TrialState.PRUNED)
    elif values and all(math.isfinite(value) for value in values):
        study.tell(trial, values)
    else:
        study.tell(trial, state=TrialState.FAIL)


def _done(study: "optuna.study.Study") -> int:
    """Trials that count: those that failed do, too, lest a search of nothing but failures never ends."""
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))


def _objectives(config: DictConfig) -> list[str]:
    typed = OmegaConf.to_container(OmegaConf.create({"o": config.objective}))["o"]  # type: ignore[index, call-overload]
    return list(messages.objectives(typed))
