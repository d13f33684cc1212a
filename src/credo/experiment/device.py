"""Where JAX computes: platform, precision, number of devices and compilation cache, all set before JAX starts."""

import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from credo.cores import cores
from credo.errors import ConfigError

PLATFORMS = ("auto", "cpu", "gpu")
PRECISIONS = ("auto", "float32", "float64")

MOST = 16
"""Devices into which `auto` divides a CPU, at most."""

log = logging.getLogger("credo")


def start(
    platform: str,
    precision: str,
    num_devices: int | str | None,
    compilation_cache: str | None,
    mesh: Mapping[str, int] | None = None,
) -> Mapping[str, Any]:
    """Start JAX on a device.

    Args:
        platform: `auto` takes a GPU if there is one; `cpu`; `gpu`.
        precision: `float32`, `float64`, or `auto`: `float64` on a CPU, else `float32`.
        num_devices: how many devices to use; on a CPU, into how many to divide it. `auto` for all GPUs, or as many as
            the CPU has `cores`; `None` for all GPUs, or one CPU.
        compilation_cache: a folder for compiled programs, or `None`; one that cannot be used costs time, not the run.
        mesh: how many devices share the `chains`, and how many the rows of the `data`; `None` for all devices to the
            chains.

    Returns:
        What there is now: `platform`, `devices`, `precision`.

    Raises:
        ConfigError: an unknown word, or a device that is not there; the sentence names those that are.
    """
    _check("device.platform", platform, PLATFORMS)
    _check("device.precision", precision, PRECISIONS)
    if (shape := mesh_of(mesh)) is not None:
        if num_devices not in (None, "auto", shape[0] * shape[1]):
            raise ConfigError(
                f"device.mesh: {shape[0]} x {shape[1]} devices are not the {num_devices} of device.num_devices; leave "
                "that out"
            )
        num_devices = shape[0] * shape[1]
    # A missing accelerator library is not the user's concern, unless they asked for it; that is an error below.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
    for module in ("callback", "debugging"):  # what a callback of the program raises is one sentence of credo's own
        logging.getLogger(f"jax._src.{module}").setLevel(logging.CRITICAL)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Threads of a small factorisation wait for each other longer than they work, above all where chains share the CPU.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _require_flags(os.environ.get("XLA_FLAGS", ""))
    jax = _loaded()
    jax.config.update("jax_default_device", None)  # an earlier run of this process may have moved (`move_to_cpu`)
    if platform == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if isinstance(num_devices, str):
        _check("device.num_devices", num_devices, ("auto", "null", "a number"))
        if platform != "gpu":
            _divide_as_far_as_possible(jax)
        num_devices = None
    if platform != "gpu" and num_devices is not None:
        _divide_cpu(jax, num_devices)
    if compilation_cache is not None:
        _keep_programs(jax, compilation_cache)
    backend = _backend(jax, platform, num_devices)
    chosen = ("float64" if backend == "cpu" else "float32") if precision == "auto" else precision
    jax.config.update("jax_enable_x64", chosen == "float64")
    used = {"platform": backend, "devices": num_devices or len(jax.devices()), "precision": chosen}
    return used if shape is None else {**used, "mesh": list(shape)}


def settled(used: Mapping[str, Any], num_devices: int | str | None, *, in_turn: bool) -> Mapping[str, Any]:
    """Let one of the devices into which `auto` divided a CPU do the work, unless chains there run one after another.

    The draws of others depend on how many devices they have, or gain nothing by it.

    Args:
        used: what `start` returned.
        num_devices: as configured.
        in_turn: whether there are chains that run one after another.

    Returns:
        What `start` would have returned of it.
    """
    if num_devices != "auto" or used["platform"] != "cpu" or in_turn:
        return used
    jax = _loaded()
    jax.config.update("jax_default_device", jax.devices()[0])
    return {**used, "devices": 1}


def move_to_cpu(used: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """Let the CPU beside a GPU do the work of this process; returns what `start` would have of it."""
    jax = _loaded()
    jax.config.update("jax_default_device", jax.devices("cpu")[0])
    chosen = "float64" if precision == "auto" else precision
    jax.config.update("jax_enable_x64", chosen == "float64")
    return {**used, "platform": "cpu", "devices": 1, "precision": chosen}


def mesh_of(mesh: Any) -> tuple[int, int] | None:
    """How many devices share the chains, and how many the rows, as `device.mesh` says.

    Raises:
        ConfigError: it says something else.
    """
    if mesh is None:
        return None
    given = dict(mesh) if isinstance(mesh, Mapping) else {}
    shape = given.get("chains", 1), given.get("data", 1)
    if not given or given.keys() - {"chains", "data"} or any(type(one) is not int or one < 1 for one in shape):
        raise ConfigError(f"device.mesh: expected {{chains: NUMBER, data: NUMBER}} of devices, or null, but got {mesh}")
    return shape


def _backend(jax: Any, platform: str, num_devices: int | None) -> str:
    """The platform on which JAX starts, which has as many devices as are asked for."""
    try:
        backend = str(jax.default_backend())
    except (RuntimeError, AssertionError) as error:  # an assertion where a platform is known, but has no plugin
        asked = os.environ.get("JAX_PLATFORMS")
        raise ConfigError(
            f"device.platform={platform}: JAX cannot start ({_first_line(error)}); "
            + (f"the environment asks for JAX_PLATFORMS={asked}, so unset it" if asked else "choose device=cpu")
        ) from error
    if platform == "gpu" and backend != "gpu":
        there = ", ".join(f"{d.platform} ({d.device_kind})" for d in jax.devices())
        raise ConfigError(
            f"device.platform: asked for gpu, but this machine has only {there}, with {os.cpu_count()} cores; use "
            "device=cpu, or install the GPU extra (credo[cuda])"
        )
    if num_devices is not None and len(jax.devices()) < num_devices:
        raise ConfigError(
            f"device.num_devices: asked for {num_devices}, but there are {len(jax.devices())} ({backend}); "
            "lower it, or use null for all"
        )
    return backend


@cache
def _require_flags(flags: str) -> None:
    """Let a process of its own read the flags of XLA, which ends the process that has a wrong one.

    Raises:
        ConfigError: XLA refuses one.
    """
    if not flags.strip():
        return
    probe = "from jaxlib import xla_client; xla_client.make_cpu_client()"
    tried = subprocess.run([sys.executable, "-P", "-c", probe], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    refusal = re.search(r"(?:parse_flags_from_env|command_line_flags)\.cc:\d+\] (.+)", tried.stderr)
    if tried.returncode and refusal:
        raise ConfigError(
            f"XLA_FLAGS={flags}: expected flags that XLA knows, but it says: {refusal[1].rstrip('.')}; correct this "
            "variable of the environment, or unset it"
        )


def _loaded() -> Any:
    """JAX, which reads its environment as it is loaded."""
    try:
        import jax
    except ValueError as error:
        raise ConfigError(
            f"JAX cannot read a variable of the environment ({_first_line(error)}); correct it, or unset it"
        ) from error
    return jax


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "there is no such platform here"


def _keep_programs(jax: Any, wanted: str) -> None:
    """Let JAX keep compiled programs in a folder, or say in one sentence why it cannot."""
    if not wanted.strip():
        raise ConfigError("device.compilation_cache: expected a folder or null, but got nothing; use null for none")
    try:
        folder = Path(wanted).expanduser()
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        tempfile.TemporaryFile(dir=there).close()  # JAX makes the folder itself, once there is a program
    except (OSError, RuntimeError) as error:  # a RuntimeError where nobody knows the home folder
        _warn_unkept(wanted, getattr(error, "strerror", None) or str(error))
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _warn_once(folder)


@cache
def _warn_unkept(wanted: str, why: str) -> None:
    log.warning(
        "device.compilation_cache=%s: programs cannot be kept there (%s), so that every run compiles its own; name "
        "another folder, or null for none",
        wanted,
        why[:1].lower() + why[1:].rstrip("."),
    )


def _warn_once(folder: Path) -> None:
    """Say once what JAX warns of for every program that it cannot read or write; other warnings stay as they are."""
    show = warnings.showwarning
    if isinstance(show, partial) and show.func is _show:
        return
    warnings.showwarning = partial(_show, show, folder)


def _show(
    show: Callable[..., None], folder: Path, message: Warning | str, category: type[Warning], *rest: Any, **more: Any
) -> None:
    if trouble := re.match(
        r"Error (read|writ)ing persistent compilation cache entry .*?': (.*)", str(message), re.DOTALL
    ):
        _warn_broken(folder, trouble[1])
    else:
        show(message, category, *rest, **more)


@cache
def _warn_broken(folder: Path, verb: str) -> None:
    done = {"read": "be read", "writ": "be written"}[verb]
    log.warning(
        "device.compilation_cache=%s: programs there cannot %s, so that they are compiled again; delete the folder, or "
        "name another",
        folder,
        done,
    )


def _divide_cpu(jax: Any, num_devices: int) -> None:
    try:
        jax.config.update("jax_num_cpu_devices", num_devices)
    except RuntimeError:  # JAX has started in this process: an earlier run of a sweep
        if len(jax.devices("cpu")) < num_devices:
            raise ConfigError(
                f"device.num_devices: this process already runs with {len(jax.devices('cpu'))} CPU devices; "
                "runs with another number need their own process"
            ) from None


def _divide_as_far_as_possible(jax: Any) -> None:
    """Divide the CPU into its cores, unless JAX has started, or the environment has chosen."""
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", min(cores(), MOST))


def _check(key: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise ConfigError(f"{key}: expected one of {', '.join(words)}, but got {word!r}")
