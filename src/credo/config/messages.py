"""What Hydra and OmegaConf say of a wrong configuration, in one sentence with the nearest name."""

import contextlib
import dataclasses
import errno
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from credo.config import formula_words, meant, numbers, paths
from credo.config.nearest import nearest
from credo.config.schema import SECTIONS
from credo.errors import ConfigError
from credo.secrets import masked

MISTAKES = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError)
"""What composing a configuration raises; Hydra raises a plain `ValueError` where a group is given null."""

_EXPECTED = {
    r"Value '(.*)' of type '.*' could not be converted to Integer": "expected a whole number, but got {}",
    r"Value '(.*)' of type '.*' could not be converted to Float": "expected a number, but got {}",
    r"Value '(.*)' is not a valid bool": "expected true or false, but got {}",
    r"Cannot convert '\w+' to string: '(.*)'": "expected one word, but got {}",
    r"Interpolation key '(.*)' not found": "interpolation key '{}' not found; type another in ${{...}}, or a value",
    r"Recursive interpolation detected": "expected a value, but its ${{...}} leads back to itself; type a value",
    r"Unsupported interpolation type (.*)": "expected ${{KEY}} or ${{oc.env:NAME}}, but got ${{{}:...}}; type a value",
    r"raised while resolving interpolation: (.*)": "expected a value, but its ${{...}} has none ({}); type a value",
    r"Invalid value assigned: (\w+) is not a ListConfig": "expected a list, as in [a,b], but got one {}",
    r"Cannot assign (\w+) to Dict": "expected keys and values, as in {{a: b}}, but got one {}",
    r"Merge error: (\w+) is not a subclass of (\w+)": "expected one option of a group, but got two ({1} and {0})",
    r"is not Optional": "expected a value, but got null",
    r"does not support deletion": "this key is needed and cannot be deleted",
}


def explain(error: Exception) -> ConfigError:
    """The sentence for a composition error."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _unknown_option(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return ConfigError(f"{mark.name}, line {mark.line + 1}: not valid YAML ({error.problem})")
    if isinstance(error.__cause__, ConfigError):  # from a sweeper or a launcher of ours
        return error.__cause__
    if isinstance(error, InstantiationException):
        return _of_call(error)
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, OmegaConfBaseException):
            return _wrong_value(error, cause)
    for pattern, sentence in _COMPOSED.items():
        if match := re.match(pattern, str(error)):
            return ConfigError(sentence(*match.groups()))
    hint = re.search(r"Did you mean[^?]*\?", str(error))
    return ConfigError(_one_line(error) + (f"; {hint[0][:1].lower()}{hint[0][1:]}" if hint else ""))


def _several(word: str) -> str:
    word = masked(word)
    whole = in_quotes(word)
    return f"{word}: several values, one run each, need -m, as in credo -m {shlex.quote(word)}" + (
        f"; one value that has a comma is typed as {whole}" if whole else ""
    )


def _several_of_hydra(word: str) -> str:
    return f"{masked(word)}: expected one value, since a sweep has one configuration of Hydra's own"


_COMPOSED: dict[str, Callable[..., str]] = {
    r"Ambiguous value for argument '(.*)'": _several,
    r"Sweep parameters '(.*)' requires --multirun": _several,
    r"Sweeping over Hydra's configuration is not supported : '(.*)'": _several_of_hydra,
    r"(?s).*must be a string or a list. Got (?:int|float|bool)": lambda: (
        "a number is no option of a group; expected a word, as in inference=nuts; credo --help"
    ),
    r"(?s).*Got NoneType": lambda: "null is no option of a group; expected a word, as in inference=nuts; credo --help",
}
"""What Hydra says of a composition, and the sentence that replaces it."""


def refuse(config: DictConfig) -> None:
    """Resolve a composed configuration, and refuse what a schema lets through.

    Raises:
        ConfigError: an interpolation leads nowhere, a mandatory value is missing, or `+` added a key that nobody reads.
    """
    objectives(OmegaConf.to_container(config).get("objective"))  # type: ignore[union-attr]
    try:
        numbers.refuse(config)
        OmegaConf.to_container(config, resolve=True)  # whose errors know the key
        OmegaConf.resolve(config)
        formula_words.name_columns(config)
    except OmegaConfBaseException as error:
        raise explain(error) from error
    _refuse_deleted(config)
    require_known(config)
    if keys := sorted(OmegaConf.missing_keys(config)):
        raise needed(keys[0])


def _refuse_deleted(config: DictConfig) -> None:
    """Refuse a configuration that lacks a key of credo's own sections; a class refuses by itself what it lacks."""
    for node in _nodes(config):
        schema = OmegaConf.get_type(node)
        if not isinstance(schema, type) or not dataclasses.is_dataclass(schema) or hasattr(schema, "_target_"):
            continue
        for field in dataclasses.fields(schema):
            if field.default == MISSING and field.name not in node:
                key = ".".join(filter(None, [_full_key(node), field.name]))
                raise ConfigError(f"{key}: {_EXPECTED['does not support deletion']}")
    for group, section in SECTIONS.items():  # of a run, whose configuration has no types
        for field in dataclasses.fields(section):
            if field.default == MISSING and field.name not in (config.get(group) or {}):
                raise needed(f"{group}.{field.name}")


def require_known(config: DictConfig, *more: str) -> None:
    """Refuse a key that `+` added to what has a schema, unless it is one of `more`.

    Raises:
        ConfigError: there is one.
    """
    for node in _nodes(config):
        schema = OmegaConf.get_type(node)
        if not isinstance(schema, type) or not dataclasses.is_dataclass(schema):
            continue
        known = [field.name for field in dataclasses.fields(schema)]
        if strange := [str(key) for key in node if key not in (*known, *more)]:
            raise no_such_key(_full_key(node), strange[0], known)


def refuse_numbers_as_words(words: Iterable[str]) -> None:
    """Refuse `inference=[nan]`: the options of a group are words, of which Hydra takes a list for granted."""
    for word in words:
        key, _, value = word.partition("=")
        if value[:1] != "[" or "." in key:
            continue
        with contextlib.suppress(HydraException):  # Hydra explains what it cannot read
            listed = OverridesParser.create().parse_override(word).value()
            strange = [one for one in listed if not isinstance(one, str)] if isinstance(listed, list) else []
            if strange and key.lstrip("+").partition("@")[0] in paths.groups():
                raise ConfigError(f"{word}: expected words, the options of a group, but got {strange[0]}; credo --help")


def remarks(hydra: Any) -> list[str]:
    """What stands in a configuration and is not followed, in sentences."""
    foreign = paths.foreign()
    return [
        *([f"{foreign} is another project's; credo's own is used"] if foreign else []),
        *(["hydra.job.chdir: credo works in the folder where it was started all the same"] if hydra.job.chdir else []),
    ]


def no_such_key(parent: str, key: str, known: Iterable[object]) -> ConfigError:
    """The sentence for a key that is not there, where `parent` has the `known` ones."""
    names = [str(name) for name in known if name not in ("_target_", "hydra")]
    advice = nearest(key, names) if names else f"{parent} has none"
    return ConfigError(f"{f'{parent}.' if parent else ''}{key}: there is no such key; {advice}")


def needed(key: str) -> ConfigError:
    """The sentence for a mandatory value that was not given."""
    return ConfigError(f"{key}: a value is needed, but none was given; add {key}=VALUE")


def _of_call(error: InstantiationException) -> ConfigError:
    """The sentence for a class that could not be made of its settings."""
    place = re.search(r"full_key: (\S+)", str(error))
    cause = error.__cause__ or error.__context__ or error
    return ConfigError(f"{place[1] if place else 'config'}: {type(cause).__name__}: {_one_line(cause)}")


def _unreadable(word: str) -> ConfigError:
    """The sentence for a word that Hydra's grammar does not take: the same in quotes, where that is what it wants."""
    word = masked(word)  # before it stands among others
    if apart := re.search(r"^[\w.@/+]+=[\w.]+\s+([\w.@/+]+=\S+)$", word):
        first = word[: apart.start(1)].strip()
        return ConfigError(f"{word}: expected one KEY=VALUE in each word; type {first} and {apart[1]} as two words")
    if quoted := in_quotes(word):
        return ConfigError(f"{word}: some of its characters need quotes; type it as {quoted}")
    return ConfigError(f"{word}: expected KEY=VALUE or GROUP=OPTION; credo --help")


_CLOSED_BY = {"[": "]", "{": "}"}


def in_quotes(word: str) -> str:
    """`KEY=VALUE` with the value in Hydra's quotes, all of it in the shell's; empty where that is no override either.

    Of a list in brackets, each item is quoted that needs to be.
    """
    key, found, value = word.partition("=")
    if not found or (value[:1] in _CLOSED_BY and _CLOSED_BY[value[:1]] not in value):
        return ""
    items = value[1:-1].split(",") if value[:1] == "[" and value[-1:] == "]" else []
    lists = [f"[{','.join(item if _reads(key, item) else _quoted(item) for item in items)}]"] if items else []
    return next((shlex.quote(f"{key}={text}") for text in [*lists, _quoted(value)] if _reads(key, text)), "")


def _quoted(value: str) -> str:
    """As a string of Hydra's grammar, in double quotes where it has none itself, for single ones are the shell's."""
    return QuotedString(value, Quote.single if '"' in value else Quote.double).with_quotes()


def _reads(key: str, value: str) -> bool:
    """Whether Hydra takes this as one value."""
    try:
        return not OverridesParser.create().parse_override(f"{key}={value}").is_sweep_override()
    except HydraException:
        return False


def no_folder(error: OSError, words: Iterable[str]) -> ConfigError:
    """The sentence for a folder that cannot be made; among the words typed may be the one that named it."""
    wanted = Path(str(error.filename))
    typed = [word for word in words if re.match(r"hydra\.(run|sweep)\.(dir|subdir)=", word)]
    file, here = obstacle(wanted), Path.cwd()
    if file:
        why = f"{file.relative_to(here) if file.is_relative_to(here) else file} is a file"
    else:
        why = "its place takes none" if error.errno == errno.ENOENT else str(error.strerror).lower()
    return ConfigError(f"{typed[-1] if typed else wanted}: this folder cannot be made, since {why}; name another")


def no_plugin(error: RuntimeError, words: Iterable[str]) -> ConfigError | None:
    """The sentence for a launcher or sweeper that Hydra does not take: it runs those of `hydra_plugins` alone."""
    found = re.match(r"(?:Invalid|Unknown) plugin (?:class : )?'([^']*)'", str(error))
    if found is None:
        return None
    typed = next((word for word in words if word.endswith(f"={found[1]}")), found[1])
    return ConfigError(
        f"{typed}: expected a launcher or a sweeper that is installed as a plug-in of Hydra; credo --help"
    )


def obstacle(folder: Path) -> Path | None:
    """The file that stands where a folder is to be made, if there is one."""
    places = (folder, *folder.parents)
    return next((one for one in places if os.path.exists(one) and not one.is_dir()), None)  # noqa: PTH110 - a long name raises in Path.exists


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if f"{group}={option}" in EXTRAS:
        return not_installed(f"{group}={option}", EXTRAS[f"{group}={option}"])
    if not group:
        return ConfigError(f"{option}: there is no such configuration group; credo --help")
    meant_by = meant.by_option(group, option)
    advice = f"type {meant_by}" if meant_by else nearest(option, error.options or ())
    return ConfigError(f"{group}={option}: there is no such option; {advice}")


EXTRAS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=ray": "ray",
    "hydra/launcher=submitit_local": "submitit",
    "hydra/launcher=submitit_slurm": "submitit",
    "hydra/sweeper=optuna": "optuna",
}
"""Options of Hydra's plug-ins, and the extra of credo that brings each."""


def not_installed(typed: str, extra: str) -> ConfigError:
    """The sentence for an option that an extra of credo brings."""
    return ConfigError(f"{typed} is not installed; {installing(extra)} brings it")


def installing(extra: str) -> str:
    """What to type to install an extra of credo: by its checkout, where it runs from one."""
    place = paths.near(paths.built_in())
    if not (place / "pyproject.toml").is_file():
        return f"pip install 'credo[{extra}]'"
    return f"pip install -e {shlex.quote(f'{place}[{extra}]')}"


def _wrong_value(error: Exception, cause: OmegaConfBaseException) -> ConfigError:
    """The sentence for a value or key that a schema refuses, on the command line or in a file."""
    typed = re.search(r"override '?([^'\s]+)", str(error))
    file = re.match(r"In '([^']+)': \w+ raised while composing", str(error))
    key = cause.full_key or (typed[1].rstrip(".") if typed else file[1] if file else "config")
    where = f" (in {file[1]})" if file and file[1] != key else ""
    if re.search(r"not in|is not in struct", str(cause)):
        parent, _, last = key.rpartition(".")
        siblings = cause.parent_node.keys() if isinstance(cause.parent_node, DictConfig) else ()
        if beside := re.fullmatch(r"model\.(energy|sampler)", parent):
            return ConfigError(f"{key}: there is no such key; it is set by {beside[1]}.{last}{where}")
        return ConfigError(f"{no_such_key(parent, last, siblings)}{where}")
    if unset := re.search(r"Environment variable '(\w+)' not found", str(cause)):
        return ConfigError(f"{key}: the environment variable {unset[1]} is not set; export it, or type a value{where}")
    for pattern, sentence in _EXPECTED.items():
        if match := re.search(pattern, str(cause)):
            return ConfigError(f"{key}: {sentence.format(*(group or 'nothing' for group in match.groups()))}{where}")
    return ConfigError(f"{key}: {_one_line(cause)}{where}")


def _nodes(node: Any) -> Iterator[DictConfig]:
    """All mappings of a configuration, from the top; what stands for another part is passed by."""
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing() and not node._is_interpolation():  # noqa: SLF001 - their only names
        yield node
        for _, value in node.items_ex(resolve=False):
            yield from _nodes(value)


def _full_key(node: DictConfig) -> str:
    return str(node._get_full_key(None))  # noqa: SLF001 - its only name


_NOTES = re.compile(r"\s*(full_key|object_type|reference_type|key)\s*[:=]")
"""How lines begin that tell of the place in a configuration."""


def _one_line(error: BaseException) -> str:
    """The first paragraph of the message as one line, without notes on the place, starting in lower case."""
    lines = [line.strip() for line in str(error).strip().split("\n\n")[0].splitlines() if not _NOTES.match(line)]
    line = " ".join(filter(None, lines)).rstrip(".") or type(error).__name__
    return line[:1].lower() + line[1:]


def objectives(asked: Any) -> tuple[str, ...]:
    """The names in `objective`: one, a list of them, or none.

    Raises:
        ConfigError: it is no name and no list of names.
    """
    if asked is None:
        return ()
    found = tuple(asked) if isinstance(asked, list | tuple) else (asked,)
    if not found or not all(isinstance(name, str) for name in found):
        raise ConfigError(
            "objective: expected the name of a metric, a list of names, or null, as in objective=elpd_loo, but got "
            f"{asked}"
        )
    return found
