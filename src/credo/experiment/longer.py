"""What makes a finished run longer, and by how much: `credo extend RUN --draws N`."""

from omegaconf import DictConfig

from credo.errors import ConfigError
from credo.runs.snapshot import Head

EXAMPLES = {"draws": 1000, "repeats": 8, "steps": 20000, "replications": 500}
"""What `credo extend` adds, by the settings that it raises, and how much for example."""


def command(name: str, setting: str) -> str:
    """The command that makes a run longer, and what it does."""
    return f"credo extend {name} --{setting} {EXAMPLES[setting]} adds {setting} to it"


def setting(config: DictConfig, head: Head) -> str | None:
    """What the method of a run says that more can be had of; `None` where it is nothing."""
    if "extends" in head:
        return head["extends"]
    return "draws" if isinstance(config.inference.get("warmup"), int) else None  # in checkpoints of before


def lengthen(config: DictConfig, head: Head, name: str, setting: str, count: int) -> None:
    """Let the configuration ask for more.

    Args:
        config: of a finished run, which is changed.
        head: what its checkpoint says.
        name: what was typed for the run.
        setting: of the method.
        count: to add.

    Raises:
        ConfigError: its fits have ended before their last step.
    """
    done = config.inference[setting]
    if setting == "draws":  # chains may have stopped before all were made
        numbers = head["numbers"]
        done = numbers["done"] - (numbers.get("longest") or config.inference.warmup)
    elif setting == "steps" and head["numbers"]["history"][-1]["done"] < done:
        raise ConfigError(
            f"--steps: the fits of {name} have ended before their {done} steps, as the ELBO no longer rises; begin a "
            "new run with another inference.family"
        )
    config.inference[setting] = done + count
