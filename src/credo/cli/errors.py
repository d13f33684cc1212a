"""An error on the terminal: one sentence, and the exit code."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress

from credo.config.shadows import shadowing
from credo.errors import ConfigError
from credo.escape import visible
from credo.secrets import masked


def misused(usage: str, arguments: Sequence[str]) -> ConfigError:
    """The sentence for arguments that a command does not take: how it is used, and what came."""
    return ConfigError(f"{usage}, but got {shlex.join(map(masked, arguments))}" if arguments else usage)


def report(error: BaseException, code: int | None = None) -> int:
    """Write an error as one sentence to stderr; returns the exit code."""
    sentence = shadowing(error) or " ".join(str(error).split()).removeprefix(
        "credo "
    )  # `credo init: ...` has its name already
    with suppress(OSError):  # a full disk, to which it is redirected
        sys.stderr.write(f"credo: {visible(masked(sentence)) or 'interrupted'}\n")
    return code if code is not None else getattr(error, "exit_code", 1)
