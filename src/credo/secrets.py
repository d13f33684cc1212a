"""Passwords and tokens stay out of everything that is written: files, MLflow, the terminal.

`masked` hides them, wherever it is called; `restored` finds the address again whose secret was left out, in the
environment. Hidden are the user and password of an address, the values of its query that look like credentials, and
variables of `hydra.job.env_set` that are named like some. Rather a harmless `@` is hidden than half a password shown: a
password may hold `/` and `@` itself.
"""

import logging
import os
import re
from collections.abc import Mapping
from typing import Any, cast, override

from credo.errors import ConfigError
from credo.escape import visible

HIDDEN = "***"

_CREDENTIALS = (
    r"[\w.-]*(?:token|passw(?:or)?d|passphrase|pwd|secret|api_?key|access_?key|credentials?|signature)|key|sig|auth|pw"
)
_USER = re.compile(r"(?<=://)(?=[^/\s'\"<>`]*[:@])[^/\s'\"<>`][^\s'\"<>`]*@")
_QUERY = re.compile(rf"(?<=[?&;])((?:{_CREDENTIALS})=)[^&;\s'\"<>`#,)\]]+", re.IGNORECASE)
_VARIABLE = re.compile(rf"(\benv_set\.\w*(?:{_CREDENTIALS})=).+", re.IGNORECASE | re.DOTALL)
_HEADER = re.compile(r"\b((?:Basic|Bearer) )[\w.~+/-]{8,}=*")
_NAMED = re.compile(rf"\w*(?:{_CREDENTIALS})", re.IGNORECASE)


def masked[T](value: T) -> T:
    """A text, or all texts in lists and mappings, without secrets; whatever has none is as it was.

    Call it on what was typed (`overrides`) word by word, and on a configuration as plain containers
    (`OmegaConf.to_container(config, resolve=False)`), before they are joined or written.
    """
    if isinstance(value, str):
        return cast("T", _masked(value))
    if isinstance(value, Mapping):
        return cast("T", {key: _entry(key, item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return cast("T", type(value)(map(masked, value)))
    return value


def _masked(text: str) -> str:
    if "env_set." in text:
        text = _VARIABLE.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    if "://" in text:
        # An address alone ends where the text does; one among other words ends at a blank or a quotation mark.
        # Whoever joined one that is hidden already to other words has hidden the others by themselves.
        alone = f"://{HIDDEN}@" not in text and re.fullmatch(
            r"(?:[\w.+@/~]*=)?[\"']?\w[\w+.-]*://(?=[^/]*[:@])[^/].*@[^@]*", text, re.DOTALL
        )
        text = re.sub(r"://.*@", f"://{HIDDEN}@", text, flags=re.DOTALL) if alone else _USER.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(rf"\1{HIDDEN}", text) if "=" in text else text


def _entry(key: Any, value: Any) -> Any:
    if key == "env_set" and isinstance(value, Mapping):
        return {name: HIDDEN if item and _NAMED.fullmatch(str(name)) else masked(item) for name, item in value.items()}
    return masked(value)


class Formatter(logging.Formatter):
    """Lines of a log without secrets, and without what a terminal would obey: launchers say what was typed."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return visible(masked(super().format(record)))


def tracking_uri() -> str:
    """The address of the store in the environment, `MLFLOW_TRACKING_URI`; empty where there is none."""
    return os.environ.get("MLFLOW_TRACKING_URI", "")


def restored(uri: str) -> str:
    """The address whose secret was left out when it was saved, with the secret of the environment.

    That is `MLFLOW_TRACKING_URI` if it is the same address; a server also takes `MLFLOW_TRACKING_USERNAME` and
    `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`, which MLflow reads by itself.

    Raises:
        ConfigError: the environment has none.
    """
    if HIDDEN not in uri:
        return uri
    whole = tracking_uri()
    if HIDDEN not in whole and masked(whole) == uri:
        return whole
    is_server, rest = uri.startswith(("http://", "https://")), uri.replace(f"://{HIDDEN}@", "://", 1)
    has_login = "MLFLOW_TRACKING_TOKEN" in os.environ or (
        "MLFLOW_TRACKING_USERNAME" in os.environ and "MLFLOW_TRACKING_PASSWORD" in os.environ
    )
    if is_server and has_login and HIDDEN not in rest:
        return rest
    others = ", or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if is_server else ""
    raise ConfigError(
        f"tracking.uri={uri}: the password of this address is not kept in files; set the environment variable "
        f"MLFLOW_TRACKING_URI to the whole address{others}, and type the same again"
    )
