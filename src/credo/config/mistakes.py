"""What Hydra and OmegaConf say of a wrong configuration, in one sentence with the nearest name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from credo.errors import ConfigError

MISTAKES = (HydraException, OmegaConfBaseException)


def explain(error: Exception) -> ConfigError:
    """The sentence for a composition error."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _unknown_option(error)
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override}: not a valid override; expected KEY=VALUE or GROUP=OPTION, quoted for the shell"
        )
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return _wrong_value(error, cause)
    if isinstance(error, OmegaConfBaseException):
        return _wrong_value(error, error)
    hint = re.search(r"Did you mean[^?]*\?", str(error))
    return ConfigError(_one_line(error) + (f"; {hint[0][:1].lower()}{hint[0][1:]}" if hint else ""))


def nearest(word: str, among: Iterable[object]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = get_close_matches(word, [str(name) for name in among], 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = [str(name) for name in error.options or ()]
    if not group:
        return ConfigError(f"{option}: there is no such configuration group")
    return ConfigError(f"{group}={option}: expected one of {', '.join(options)}{nearest(option, options)}")


def _wrong_value(error: Exception, cause: OmegaConfBaseException) -> ConfigError:
    key = cause.full_key or ""
    override = re.search(r"override '?([^'\s]+)", str(error))
    typed = override.group(1).rstrip(".") if override else key
    if _is_unknown_key(cause):
        parent, _, last = (key or typed).rpartition(".")
        siblings = list(cause.parent_node.keys()) if hasattr(cause.parent_node, "keys") else []
        where = f"{parent} has the keys" if parent else "the keys are"
        known = [str(name) for name in siblings if name not in ("_target_", "hydra")]
        return ConfigError(f"{key or typed}: there is no such key; {where} {', '.join(known)}{nearest(last, known)}")
    return ConfigError(f"{key or typed}: {_one_line(cause)}")


def _is_unknown_key(cause: OmegaConfBaseException) -> bool:
    return bool(re.search(r"not in|is not in struct", str(cause)))


def _one_line(error: Exception) -> str:
    """The first line of the message, starting in lower case."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip().rstrip(".")
    return line[:1].lower() + line[1:]


def missing(config: object) -> None:
    """Raise `ConfigError` for the first mandatory value that was not given."""
    keys = sorted(OmegaConf.missing_keys(config))
    if keys:
        raise ConfigError(f"{keys[0]}: a value is needed, but none was given; add {keys[0]}=VALUE")
