"""One call from Python: Hydra as the command has it, and everything else left as it was."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from credo.cli import main
from credo.config import loading, messages, paths
from credo.errors import CredoError
from credo.experiment import signals

FULL = "HYDRA_FULL_ERROR"


@contextmanager
def session() -> Iterator[None]:
    """What a call needs, and leaves as it was: Hydra, logging, and the precision of JAX.

    Raises:
        CredoError: whatever goes wrong that is the user's to mend, in one sentence and without a traceback of ours.
    """
    with ExitStack() as stack:
        for kept in (_sentences, signals.listening, _kept_hydra, _full_errors, _kept_logging, _kept_precision):
            stack.enter_context(kept())
        main.register()
        loading.make_importable(Path.cwd(), paths.built_in())
        yield


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except CredoError as error:
        error.__traceback__ = None
        raise error from None
    except messages.MISTAKES as error:
        raise messages.explain(error) from None


@contextmanager
def _kept_hydra() -> Iterator[None]:
    """Give back Hydra as it was, in a program that is one of its apps, say."""
    known, config = GlobalHydra.instance(), HydraConfig.instance()
    before, before_config = known.hydra, config.cfg
    known.hydra = None
    try:
        yield
    finally:
        known.hydra, config.cfg = before, before_config


@contextmanager
def _full_errors() -> Iterator[None]:
    """Let Hydra leave errors to us instead of printing them."""
    before = os.environ.get(FULL)
    os.environ[FULL] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(FULL, None)
        else:
            os.environ[FULL] = before


@contextmanager
def _kept_logging() -> Iterator[None]:
    """Give back the root logger, which Hydra configures for itself."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _kept_precision() -> Iterator[None]:
    """Give back the precision and the device of JAX, which a run chooses for itself."""
    jax = sys.modules.get("jax")
    is_double = (
        os.environ.get("JAX_ENABLE_X64", "") in ("1", "true", "True") if jax is None else jax.config.jax_enable_x64
    )
    device = None if jax is None else jax.config.jax_default_device
    try:
        yield
    finally:
        if (jax := sys.modules.get("jax")) is not None:
            jax.config.update("jax_enable_x64", is_double)
            jax.config.update("jax_default_device", device)
