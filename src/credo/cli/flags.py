"""What was typed for an experiment: Hydra's flags and the overrides, and what is refused of them."""

import re
from argparse import Namespace
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from credo.config import formula_words, meant, messages
from credo.errors import ConfigError
from credo.secrets import masked

VERBS = (
    *("init", "resume", "extend", "reproduce", "predict", "export", "sync", "compare", "calibrate"),
    *("list", "show", "open", "ui"),
)
"""Commands of their own, each a file of this folder with a function `run`."""

JSON = "--json"
"""Makes the answer of what is run JSON on stdout."""


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the answer of what is run is to be JSON; other verbs, such as `show`, have a flag of their own."""
    verb = arguments[0] if arguments and arguments[0] in VERBS else "calibrate"
    return JSON in arguments and verb in ("calibrate", "resume", "extend")


def parse(arguments: Sequence[str]) -> Namespace:
    """Parse what was typed by Hydra's own parser; overrides may stand between the flags.

    Raises:
        ConfigError: there is no such flag, a word sets nothing, or `-m` has nothing to vary.
    """
    parser = get_args_parser()
    parser.allow_abbrev = False  # --experiment is not --experimental-rerun
    flags, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown or flags.experimental_rerun:
        flag = unknown[0] if unknown else "--experimental-rerun"
        raise ConfigError(
            f"{flag}: there is no such flag; values are set as KEY=VALUE (credo --help), and the flags are "
            "Hydra's (credo --hydra-help)"
        )
    if wrong := [word for word in flags.overrides if word.find("=") < 1 and not word.startswith("~")]:
        advice = meant.by_word(wrong[0], arguments, VERBS) or "credo --help"
        raise ConfigError(f"{masked(wrong[0])}: expected KEY=VALUE or GROUP=OPTION; {advice}")
    messages.refuse_numbers_as_words(flags.overrides)
    _refuse_at_odds(flags)
    return flags


def with_dry_run(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--dry-run` as the setting that it is."""
    return ["sweep.dry_run=true" if word == "--dry-run" else word for word in arguments]


def with_option(arguments: Sequence[str], option: str) -> list[str]:
    """The arguments with `+calibrate=200` in two words: Hydra would take the number for an option of the group."""
    words = []
    for word in arguments:
        found = re.fullmatch(r"\+*calibrate=(\d+)", word)
        words += [word] if found is None else [f"+calibrate={option}", f"calibrate.replications={found[1]}"]
    return words


def only_shows(flags: Namespace) -> bool:
    """Whether something is shown and nothing is run."""
    return bool(flags.cfg or flags.info or flags.hydra_help or flags.shell_completion)


def _refuse_at_odds(flags: Namespace) -> None:
    """Refuse flags that do not go together."""
    if (flags.resolve or flags.package) and not flags.cfg:
        raise ConfigError("--resolve and --package: expected --cfg with them, as in credo --cfg job --resolve")
    if flags.multirun and (flags.run or only_shows(flags)):
        raise ConfigError(
            "-m: expected to run a sweep, but another flag asks for something else; leave one of them out"
        )
    if flags.multirun and not flags.overrides:
        raise ConfigError("-m: expected values to vary, one run each, as in credo -m inference=map,nuts")


def overrides_first(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The arguments with the overrides before the flags, among which Hydra's parser does not see them."""
    flags = list(arguments)
    for word in overrides:
        flags.remove(word)
    return [*formula_words.in_place(overrides), *flags]
