"""The command line as a user types it: in this process, where imports and compiled programs last, and for real."""

import contextlib
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import jax
import pytest
from hydra.core.global_hydra import GlobalHydra

QUIET = ("tracking=none", "report=none", "device.compilation_cache=null")

PYTHON = Path(sys.executable)


@dataclass(frozen=True)
class Said:
    """What came of a command: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def credo(*words: object, cwd: Path) -> Said:
    """Run the command in this process, from `cwd`, and leave the process as it was."""
    from credo.cli import main

    arguments = [str(word) for word in words]
    # It shuts all handlers of the process down to set its own; absl's would close pytest's stderr.
    apart = mock.patch.object(logging, "_handlerList", [])
    with _unchanged(cwd), apart, contextlib.chdir(cwd):
        sys.argv = ["credo", *arguments]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                code = main.command(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def completed(line: str, cwd: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Tab makes of a line of bash."""
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    return credo("-sc", "query=bash", cwd=cwd).out.split()


def start(*words: object, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    """Start the installed command in a process of its own."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [PYTHON.parent / "credo", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "80"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def credo_process(*words: object, cwd: Path, **environment: str) -> Said:
    """Run the installed command in a process of its own, to its end."""
    process = start(*words, cwd=cwd, **environment)
    out, err = process.communicate(timeout=120)
    return Said(process.returncode, out, err)


@contextlib.contextmanager
def _unchanged(cwd: Path) -> Iterator[None]:
    """Undo what a command does to its process: arguments, imports, environment, logging, Hydra and precision."""
    root, x64 = logging.getLogger(), jax.config.jax_enable_x64
    argv, path, environment = sys.argv, list(sys.path), dict(os.environ)
    handlers, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        sys.argv, sys.path[:] = argv, path
        for name in [name for name, module in sys.modules.items() if _is_from(cwd, module)]:
            del sys.modules[name]
        os.environ.clear()
        os.environ.update(environment)
        root.handlers[:], logging.raiseExceptions = handlers, raises
        root.setLevel(level)
        jax.config.update("jax_enable_x64", x64)


def _is_from(folder: Path, module: object) -> bool:
    return str(getattr(module, "__file__", None)).startswith(f"{folder}{os.sep}")
