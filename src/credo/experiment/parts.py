"""From the composed configuration to objects: the only caller of `instantiate`."""

import copy
import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from credo.config import loading, numbers, paths
from credo.config.messages import needed, no_such_key
from credo.data.base import Source
from credo.diagnostics.base import Diagnostic
from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.training.base import Training
from credo.report.base import Report
from credo.tracking.base import Tracker

if TYPE_CHECKING:
    import xarray as xr

    from credo.models.base import Model
    from credo.models.problem import Problem


@dataclass(frozen=True)
class Parts:
    """The objects that a configuration names."""

    source: Source
    model: "Model"
    training: Training | None
    inference: Inference
    checkpoint_every: float | None
    diagnostics: Mapping[str, Diagnostic]
    gate: str
    tracker: Tracker
    report: Report

    def problem(self, seed: int, free: Collection[str] = ()) -> "tuple[Problem, xr.Dataset]":
        """The model with its data, known to fit; and the data, held-out rows included.

        Args:
            seed: of the run.
            free: settings of the training that nobody chose; they are brought down to what the rows allow.

        Raises:
            ConfigError: the data cannot be had, or does not fit the model.
        """
        from credo.data.dataset import split
        from credo.models.problem import Problem

        data = self.source.load(self.model, seed)
        train, test = split(data)
        problem = Problem(self.model.fitted(train), train, test, self.training)
        if self.training is not None:
            rows = train.sizes.get(problem.row_dim, 1)
            problem = replace(problem, training=self.training.fitted(rows, free))
        problem.check()
        return problem, data


def build(config: DictConfig) -> Parts:
    """Make the parts of a configuration that `mistakes.refuse` has let pass.

    Raises:
        ConfigError: a part refuses its settings; the sentence names the key.
    """
    return Parts(
        source=make_source(config),
        model=make_model(config),
        training=_make(config, "training", Training) if config.get("training") else None,
        inference=make_inference(config),
        checkpoint_every=OmegaConf.select(config, "inference.checkpoint.every"),
        diagnostics={
            name: _make(config, f"diagnostics.checks.{name}", Diagnostic) for name in config.diagnostics.checks
        },
        gate=str(getattr(config.diagnostics.gate, "value", config.diagnostics.gate)),
        tracker=_make(config, "tracking", Tracker),
        report=_make(config, "report", Report),
    )


def make_source(config: DictConfig) -> Source:
    """Make the data source of a configuration alone."""
    source: Source = _make(config, "data", Source)
    return source


def make_model(config: DictConfig) -> Any:
    """Make the model of a configuration alone."""
    from credo.models.base import Model  # takes time to load

    try:
        return _make(config, "model", Model)
    except ConfigError as error:
        raise ConfigError(_OF_MODEL.sub(r"\1", str(error))) from error


_OF_MODEL = re.compile(r"\bmodel\.(energy|sampler)\b")
"""Parts of a model that have their own place in the configuration, where they are typed (`energy: ${energy}`)."""


def make_inference(config: DictConfig) -> Inference:
    """Make the method of a configuration alone."""
    if OmegaConf.select(config, "inference.placement") is not None:
        sys.stderr.write("inference.placement is now called inference.chain_method; the next release refuses it\n")
    method: Inference = _make(config, "inference", Inference, without="checkpoint")
    return method


def make_tracker(config: DictConfig) -> Tracker:
    """Make the tracker of a configuration alone."""
    tracker: Tracker = _make(config, "tracking", Tracker)
    return tracker


def _make(config: DictConfig, key: str, contract: type, without: str = "") -> Any:
    """Make a part; the key `without` is not the part's own."""
    node = OmegaConf.select(config, key)
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise _no_part(key, node, contract)
    own = cast("dict[str, Any]", OmegaConf.to_container(node, enum_to_str=True))
    numbers.require_all(key, {name: value for name, value in own.items() if name != without})
    node = copy.deepcopy(node)  # which keeps its parents, whose names stand in errors
    OmegaConf.set_struct(node, False)
    node.pop(without, None)
    _name_importable(node)
    if hasattr(get_object(node._target_), "assemble"):  # a part of another, whose settings stand beside its own
        node["_target_"] = f"{node._target_}.assemble"
    try:
        part = instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise _explained(config, error) from error
    if not isinstance(part, contract):
        raise ConfigError(
            f"{key}._target_: expected a {contract.__name__}, but {node._target_} makes a {type(part).__name__}"
        )
    return part


def _name_importable(node: Any) -> None:
    """Call the user's own parts by the names under which Python imports them."""
    for key in node if isinstance(node, DictConfig) else range(len(node)) if isinstance(node, ListConfig) else ():
        if key == "_target_":
            node[key] = loading.importable(str(node[key]))
        elif OmegaConf.is_config(node[key]):
            _name_importable(node[key])


def _no_part(key: str, node: Any, contract: type) -> ConfigError:
    """The sentence for a configuration that names no class, perhaps from a file of another project."""
    needed = f"a _target_ that names its class, a {contract.__module__}.{contract.__name__}"
    word = HydraConfig.get().runtime.choices.get(key) if HydraConfig.initialized() else None
    if word is not None and (file := paths.of_word(key, str(word))) is not None:
        return ConfigError(f"{key}={word}: expected {needed}, but {file} has none; choose another word, or add one")
    return ConfigError(f"{key}: expected {needed}, but got {node}")


def _explained(config: DictConfig, error: InstantiationException) -> ConfigError:
    """The part's own sentence under the key where it stands, or one about its call."""
    causes = list(_causes(error))
    key = [
        line.removeprefix("full_key:").strip() for e in causes for line in str(e).splitlines() if "full_key:" in line
    ][-1]
    cause = next((e for e in causes if isinstance(e, ConfigError)), causes[-1])
    if isinstance(cause, ConfigError):
        return ConfigError(_placed(str(cause), key, OmegaConf.select(config, key)))
    target = OmegaConf.select(config, f"{key}._target_")
    if str(error).startswith("Error locating"):
        return ConfigError(
            f"{key}._target_: {target} cannot be imported ({cause}); is its file in the folder where credo was "
            f"started?{loading.hidden(cause)}"
        )
    from credo.models.failure import refused  # takes time to load

    if (invalid := refused(cause)) is not None:
        name, expected = invalid
        value = OmegaConf.select(config, f"{key}.{name}", default=None)
        if value is None:
            return ConfigError(f"{key}: {target} makes a distribution whose {name} is not {expected}")
        return ConfigError(f"{key}.{name}: expected {expected}, but got {value}")
    if unknown := re.search(r"unexpected keyword argument '(\w+)'", str(cause)):
        return no_such_key(key, unknown[1], settings(target))
    if missing := re.search(r"missing \d+ required \D*?'(\w+)'", str(cause)):
        return needed(f"{key}.{missing[1]}")
    if "blocklisted" in str(cause):
        return ConfigError(f"{key}._target_: {target} can run any code, and is never called; name a class of your own")
    said = " ".join(str(cause).split())
    return ConfigError(f"{key}: {target} raised {type(cause).__name__}: {said}")


def settings(target: str) -> list[str]:
    """The names of what a part is made from; of a kernel those of the chains around it, too."""
    made = get_object(loading.importable(target))
    own = [*inspect.signature(made).parameters]
    around = settings(made.whole) if hasattr(made, "whole") else []
    return [*(name for name in around if name != "kernel"), *own]


def _placed(sentence: str, key: str, part: Any) -> str:
    """A part's own sentence with a key that can be typed.

    It begins with the part's key, with the end of that, with one of its settings, or with what the part is made of.
    """
    end = key.rpartition(".")[2]
    if re.match(rf"{re.escape(key)}\b", sentence):
        return sentence
    if re.match(rf"{end}[.:=\[]", sentence):
        return f"{key}{sentence.removeprefix(end)}"
    begin = re.match(r"\w+(?=[.:=\[])", sentence)
    return f"{key}: {sentence}" if begin and OmegaConf.is_dict(part) and begin[0] not in part else f"{key}.{sentence}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
