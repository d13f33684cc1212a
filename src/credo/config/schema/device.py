"""The keys of `conf/device`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Device:
    """Where JAX computes."""

    platform: str = MISSING
    precision: str = MISSING
    num_devices: int | None = MISSING
    compilation_cache: str | None = MISSING


OPTIONS = {"auto": Device, "cpu": Device, "gpu": Device}
