"""The console command: a Hydra app plus a few verbs. JAX, ArviZ and MLflow are imported only when an experiment runs.

credo data=eight_schools model=hierarchical inference=nuts device=cpu
credo -m inference=mle,map,nuts,mh
credo init FOLDER
credo resume RUN
credo extend RUN --draws N
credo sync RUN
"""

import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import credo
from credo.code import loading
from credo.config import launch, messages, paths, schema
from credo.errors import ConfigError, CredoError, Interrupted, PrunedError, RunError
from credo.escape import visible
from credo.experiment import signals
from credo.runs import folder as run_folder
from credo.runs import job as jobs
from credo.runs import signature, trust
from credo.secrets import masked

if TYPE_CHECKING:
    from credo.experiment import resume as again
    from credo.runs.job import Membership

_CONF = str(paths.built_in() / "conf")


@signals.listening()
def command(arguments: Sequence[str]) -> int:
    """Run a verb or an experiment; returns the exit code.

    These are 0 (ran), 1 (failed), 2 (wrong configuration), 3 (failed verdict) and 130 (stopped).
    """
    logging.raiseExceptions = False  # Hydra logs to pipes, whose readers may have gone
    try:
        schema.register()
        paths.register()
        run_folder.register()
        if arguments and arguments[0] in VERBS:
            return VERBS[arguments[0]](arguments[1:])
        if "--version" in arguments:
            sys.stdout.write(f"credo {credo.__version__}\n")
            return 0
        if {"--help", "-h"} & set(arguments):
            return show_help([word for word in arguments if not word.startswith("-")])
        return experiment(arguments)
    except CredoError as error:
        return _say(error)
    except messages.MISTAKES as error:
        return _say(messages.explain(error))
    except (KeyboardInterrupt, Interrupted) as error:
        return _say(error, Interrupted.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough, as in `credo --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _say(RunError(f"{error.filename}: {str(error.strerror).lower()}"))


def experiment(arguments: Sequence[str]) -> int:
    """Let Hydra compose the configuration and run the jobs; returns the exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves errors to us instead of printing them
    typed = _typed(arguments)
    codes: list[int] = []

    def job(config: DictConfig) -> float | list[float] | None:
        os.chdir(HydraConfig.get().runtime.cwd)  # where all paths start, whatever hydra.job.chdir says
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            return run_job(config)
        for remark in messages.remarks(HydraConfig.get()):
            sys.stderr.write(f"{remark}\n")
        codes.append(run(config).exit_code)
        return None

    if typed.cfg or typed.info or typed.hydra_help or typed.shell_completion:
        sys.argv[1:] = _in_order(arguments, typed.overrides)
        hydra.main(config_path=_CONF, config_name="config", version_base="1.3")(job)()
        return 0
    conf = str(Path(typed.config_path or _CONF).absolute())
    try:
        launch.run(typed.overrides, job, typed.multirun, conf, typed.config_name or "config", typed.config_dir)
    except OSError as error:  # Hydra makes the folders
        if error.filename is None:
            raise
        raise messages.no_folder(error, typed.overrides) from error
    except RuntimeError as error:
        if (sentence := messages.no_plugin(error, typed.overrides)) is None:
            raise
        raise sentence from error
    return next((code for code in codes if code), 0)


def _typed(arguments: Sequence[str]) -> Any:
    """What was typed, by Hydra's own parser; words that set something may stand between the flags.

    Raises:
        ConfigError: there is no such flag, a word sets nothing, or `-m` has nothing to vary.
    """
    parser = get_args_parser()
    parser.allow_abbrev = False  # --experiment is not --experimental-rerun
    known, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown or known.experimental_rerun:
        flag = unknown[0] if unknown else "--experimental-rerun"
        raise ConfigError(
            f"{flag}: there is no such flag; values are set as KEY=VALUE (credo --help), and the flags are "
            "Hydra's (credo --hydra-help)"
        )
    if wrong := [word for word in known.overrides if word.find("=") < 1 and not word.startswith("~")]:
        verb = wrong[0] if wrong[0] in VERBS else None
        advice = f"credo {verb} is a command of its own, which takes no overrides" if verb else "credo --help"
        raise ConfigError(f"{wrong[0]}: expected KEY=VALUE or GROUP=OPTION; {advice}")
    messages.refuse_numbers_as_words(known.overrides)
    shows = known.cfg or known.info or known.hydra_help or known.shell_completion
    if (known.resolve or known.package) and not known.cfg:
        raise ConfigError("--resolve and --package: expected --cfg with them, as in credo --cfg job --resolve")
    if known.multirun and (known.run or shows):
        raise ConfigError(
            "-m: expected to run a sweep, but another flag asks for something else; leave one of them out"
        )
    if known.multirun and not known.overrides:
        raise ConfigError("-m: expected values to vary, one run each, as in credo -m inference=map,nuts")
    return known


def _in_order(arguments: Sequence[str], words: Sequence[str]) -> list[str]:
    """The words that set something before the flags, among which Hydra's parser does not see them."""
    flags = list(arguments)
    for word in words:
        flags.remove(word)
    return [*words, *flags]


def run(config: DictConfig, of: "Membership | None" = None, again: bool = False) -> "Ended":
    """Run one experiment, alone or as a job of a sweep; says how it ended, and why."""
    job = HydraConfig.get()
    start_folder = Path(job.runtime.cwd)
    _make_importable(start_folder)
    typed = cast("list[str]", OmegaConf.to_container(job.overrides.task, resolve=False))
    try:
        folder = run_folder.chosen(job)
        run_folder.require_own(job)
        from credo.experiment import preflight
        from credo.sweep import batched, search

        with signals.listening(), search.listening() as listeners:
            preflight.refuse(config)
            from credo.experiment.request import Request, Start
            from credo.experiment.run import run as run_experiment
            from credo.runs import checkpoint

            start = Start.FRESH
            if again:
                start = Start.RESUMED if checkpoint.is_open(folder) else Start.AGAIN
            request = Request(
                config,
                choices={str(group): str(word) for group, word in job.runtime.choices.items()},
                overrides=tuple(typed),
                folder=folder,
                start_folder=start_folder,
                start=start,
                sweep=of,
                listeners=tuple(listeners),
                inferred=batched.given(),
                hydra=cast("DictConfig", HydraConfig.instance().cfg),
                on_accepted=lambda: configure_log(cast("DictConfig", job.job_logging), job.verbose),
            )
            outcome = run_experiment(request)
    except PrunedError as error:
        return Ended(0, reason=str(error), state="PRUNED")
    except CredoError as error:
        signals.check()
        return Ended(_say(error), reason=str(error), state="FAILED")
    except SystemExit as error:  # of the user's own code; nothing of ours leaves the process
        from credo.models.failure import told  # takes time to load

        sentence = f"the run ended early, since code that it called raised {told(error)}"
        return Ended(_say(RunError(sentence)), reason=sentence, state="FAILED")
    except Exception as error:  # noqa: BLE001 - the last resort: an error of our own, with its traceback
        signals.check()
        sys.stderr.write(masked(traceback.format_exc()))
        return Ended(1, reason=f"{type(error).__name__}: {error}", state="FAILED")
    if outcome.answered is not None:
        return Ended(0, outcome.objective, str(outcome.answered), "SKIPPED")
    return Ended(outcome.exit_code, outcome.objective)


class Ended(NamedTuple):
    """How an experiment ended: the command's exit code, the objective, and why (or which run has the answer)."""

    exit_code: int
    objective: tuple[float, ...] | None = None
    reason: str = ""
    state: jobs.State = "FINISHED"


def run_job(config: DictConfig) -> float | list[float] | None:
    """Run a job of a sweep, which says in its folder how it ended; returns the objective, NaN where there is none.

    An interrupt ends the sweep with the job.
    """
    of, folder = jobs.membership(), Path(HydraConfig.get().runtime.output_dir)
    stop = Path(HydraConfig.get().sweep.dir) / jobs.STOP
    if stop.exists():
        return math.nan
    again = jobs.read(folder) is not None
    typed = cast("list[str]", OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False))
    job = jobs.begun(typed)
    job.write(folder)
    try:
        ended = run(config, of, again)
    except (KeyboardInterrupt, Interrupted) as error:
        jobs.ended(job, "KILLED", Interrupted.exit_code, str(error) or "interrupted").write(folder)
        raise
    jobs.ended(job, ended.state, ended.exit_code, ended.reason, ended.objective).write(folder)
    if ended.exit_code and of is not None and of.fail_fast:
        stop.touch()
    if ended.objective is None:
        return math.nan if ended.state == "FAILED" else None
    return ended.objective[0] if len(ended.objective) == 1 else list(ended.objective)


def _make_importable(start_folder: Path) -> None:
    """A user's own modules stand where credo was started; those of the built-in experiments beside these."""
    loading.make_importable(start_folder, paths.built_in())


def initialise(arguments: Sequence[str]) -> int:
    """`credo init FOLDER`: write a small folder of the user's own, with a model, data and an experiment."""
    from credo.cli import starter

    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError("credo init: expected one folder, as in credo init my_experiments")
    folder = Path(arguments[0] or " ")  # an empty name would be the folder where credo was started
    for file in starter.create(folder):
        sys.stdout.write(f"  {file}\n")
    sys.stdout.write(f"\nNext:\n  cd {folder}\n  credo experiment=my_experiment\n")
    return 0


def resume(arguments: Sequence[str]) -> int:
    """`credo resume RUN`: go on from the last checkpoint of a run that was cut off."""
    from credo.experiment import resume as again

    with again.held(arguments):
        return _take_up(again.resumed(arguments))


def extend(arguments: Sequence[str]) -> int:
    """`credo extend RUN --draws N`: add draws to a finished run."""
    from credo.experiment import resume as again

    with again.held(arguments):
        return _take_up(again.extended(arguments))


def _take_up(run: "again.Run") -> int:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    run.start()
    _make_importable(run.folder_of_code)
    from credo.experiment.request import Request, Start
    from credo.experiment.run import run as run_experiment

    request = Request(
        run.config, run.choices, run.overrides, run.folder, run.start_folder, Start.RESUMED, is_own=run.is_own
    )
    return run_experiment(request).exit_code


def predict(arguments: Sequence[str]) -> int:
    """`credo predict RUN FILE.csv`: what a run's model says of the rows of a table, as CSV on stdout."""
    from credo.experiment import resume as again
    from credo.models import export

    words, trusted = trust.said(arguments)
    if len(words) != 2 or any(word.startswith("-") for word in words):
        raise ConfigError("credo predict: expected a run and a CSV file, as in credo predict RUN new.csv > out.csv")
    from credo.data.places import existing

    file, folder = existing(words[1]), again.folder(words[0])
    table = export.rows(folder, file)
    _prepare(folder, trusted=trusted)
    export.load(folder, trusted=trusted)(table).to_csv(sys.stdout, index=False)
    return 0


def export_model(arguments: Sequence[str]) -> int:
    """`credo export RUN FOLDER`: a run's model as an MLflow model, which others can load and serve."""
    from credo.experiment import resume as again
    from credo.models import export

    words, trusted = trust.said(arguments)
    if len(words) != 2 or any(word.startswith("-") for word in words):
        raise ConfigError("credo export: expected a run and a new folder, as in credo export RUN my_model")
    folder = again.folder(words[0])
    _prepare(folder, trusted=trusted)
    export.to_mlflow(folder, Path(words[1]), trusted=trusted)
    sys.stdout.write(f"serve it: mlflow models serve -m {words[1]} --host 127.0.0.1 --env-manager local\n")
    return 0


def _prepare(run: Path, *, trusted: bool) -> None:
    """Let a run's model be made of modules of the user's own, if it is the user's run; tell what of them changed."""
    from credo.code import record

    is_own = trusted or signature.is_own(run)
    _make_importable(Path.cwd() if is_own else paths.built_in())
    if edited := record.edited(record.of_run(run), Path.cwd()):
        sys.stderr.write(f"OTHER CODE {', '.join(edited)} changed since the run; the present code is used\n")


def compare(arguments: Sequence[str]) -> int:
    """`credo compare RUN RUN ...`, or a sweep: runs on the same data side by side, as a page and a table."""
    from credo.cli import compare as command

    return command.run(arguments)


def sync(arguments: Sequence[str]) -> int:
    """`credo sync RUN [RUN ...]`: deliver what an MLflow server that was away does not have of runs yet."""
    from credo.cli import sync

    words, trusted = trust.said(arguments)
    runs = sync.folders(words)
    _make_importable(Path.cwd() if trusted or all(map(signature.is_own, runs)) else paths.built_in())
    sync.deliver(runs, trusted=trusted)
    if not runs:
        sys.stdout.write("nothing to deliver: MLflow has all that it was told of these runs\n")
    return 0


def reproduce(arguments: Sequence[str]) -> int:
    """`credo reproduce RUN`: run it again as it was; returns 0 where the draws are the same to the bit, else 1."""
    from credo.experiment import reproduce as reproduction
    from credo.report.terminal import run as terminal

    plan = reproduction.planned(arguments, datetime.now())
    run = plan.run
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    run.start()
    with plan.folder_of_code() as code:
        _make_importable(code)
        from credo.experiment.request import Request
        from credo.experiment.run import run as run_experiment

        request = Request(run.config, run.choices, run.overrides, run.folder, run.start_folder)
        request = replace(request, expected=plan.expected, hydra=run.hydra, is_own=run.is_own)
        run_experiment(request)
    found = reproduction.compared(plan.before, run.folder)
    terminal.show_reproduction(found, plan.first)
    return 0 if found.same else 1


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "init": initialise,
    "resume": resume,
    "extend": extend,
    "reproduce": reproduce,
    "predict": predict,
    "export": export_model,
    "sync": sync,
    "compare": compare,
}


def _say(error: BaseException, code: int | None = None) -> int:
    sentence = " ".join(str(error).split()).removeprefix("credo ")  # `credo init: ...` has its name already
    with suppress(OSError):  # a full disk, to which it is redirected
        sys.stderr.write(f"credo: {visible(masked(sentence)) or 'interrupted'}\n")
    return code if code is not None else getattr(error, "exit_code", 1)


def show_help(overrides: list[str]) -> int:
    """`--help`: the groups and their words, from the folders themselves, and the configuration.

    Hydra's own takes seconds, since it copies the configuration once per group.
    """
    words = {group: _options(group) for group in (*schema.GROUPS, "experiment")}
    with hydra.initialize_config_dir(_CONF, version_base="1.3"):
        config = hydra.compose("config", overrides)
    sys.stdout.write(
        _HELP.format(
            groups="\n".join(f"  {group:12} {', '.join(options)}" for group, options in words.items()),
            config=OmegaConf.to_yaml(config),
        )
    )
    return 0


_HELP = """\
credo: configured, diagnosed and logged experiments for probabilistic programming

Choose a word per group, and set any value by its key:

  credo data=eight_schools model=hierarchical inference=nuts
  credo experiment=coin_flips model.prior.p.concentration1=2
  credo model=gaussian prior@model.prior.loc=uniform model.prior.loc.low=-2
  credo -m inference=mle,map,nuts,mh        every combination, one run each
  credo init FOLDER                         a folder of your own that runs at once
  credo resume RUN                          go on with a run that was cut off
  credo extend RUN --draws N                add draws to a finished run
  credo compare RUN RUN ... | SWEEP         which of several runs to believe, and which predicts best
  credo reproduce RUN                       the same run once more: is the answer the same to the bit?
  credo reproduce RUN --code=recorded       ... by the code that the run kept, if you trust its folder
  credo resume RUN --trust                  ... with the code that it names, though your credo did not write it
  credo predict RUN FILE.csv                what a trained network says of new rows
  credo export RUN FOLDER                   a trained network as an MLflow model, to load and serve
  credo sync RUN                            deliver what an MLflow server that was away has not got of a run

{groups}

The configuration as it stands:

{config}
Hydra's flags (--cfg job, --info, --multirun, tab completion): credo --hydra-help
"""


def _options(group: str) -> list[str]:
    places = [folder / ("experiments" if group == "experiment" else f"conf/{group}") for folder in paths.folders()]
    return sorted({file.stem for place in places for file in place.glob("*.yaml")})
