"""The base class of all models: a NumPyro program whose numbers are leaves of a pytree.

Numeric hyperparameters (a prior's scale) are leaves and so arguments of the compiled programs: changing one never
recompiles. Structure (a family, a flag, a count) is a static field.
"""

import abc
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import equinox as eqx
import numpy as np
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.config.naming import named
from credo.config.nearest import nearest
from credo.config.supports import describe, within
from credo.errors import ConfigError
from credo.models.shrinkage import Shrinkage


def _given(prior: Mapping[str, dist.Distribution | Shrinkage | None]) -> dict[str, dist.Distribution | Shrinkage]:
    """Null stands for no prior."""
    return {latent: one for latent, one in prior.items() if one is not None}


class Found(Protocol):
    """What a method found, as a model sees it."""

    @property
    def kind(self) -> str:
        """What it is made of (see `inference.result.Kind`)."""
        ...

    @property
    def tree(self) -> xr.DataTree:
        """Its groups."""
        ...


class Rows(NamedTuple):
    """How a table's columns become a model's arrays.

    - **formula** - as `y ~ x + (1 | g)`.
    - **key** - where a sentence says that the target does not fit.
    - **classes** - whether the target is one of several levels: `none`, `two`, `any` or `ordered`.
    - **takes_trials** - whether it counts successes among trials.
    - **formula_sigma** - that of the target's own scale, as `sigma ~ x`; `None` where all rows share one.
    """

    formula: str
    key: str
    classes: str = "none"
    takes_trials: bool = False
    formula_sigma: str | None = None


class Model(eqx.Module):
    """A NumPyro program over named arrays.

    To write a model, subclass this, give the settings as fields (structure as `eqx.field(static=True)`), name the
    priors that it reads in `supports`, and write `__call__`: its parameters name the data variables that it takes,
    those without a default being required. A parameter `n_DIM` receives the size of the data's dimension DIM. Rows
    belong in `numpyro.plate("obs", ...)`; other plates are named like the data's dims, so that draws get their labels.
    """

    formula: ClassVar[str] = ""
    """The model in one or a few lines of mathematics, for the report."""

    several_targets: ClassVar[bool] = False
    """Whether y may be [obs, target]; otherwise it is [obs]."""

    supports: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """For each prior that the model reads, the supports within one of which the prior must lie."""

    of_states: ClassVar[bool] = False
    """Whether y may be one of several states in words; a table then gives their numbers, and the coordinate `state`."""

    shrunk: ClassVar[tuple[str, ...]] = ()
    """The latents that are many and may have a prior of all together, as a horseshoe is."""

    has_energy: ClassVar[bool] = False
    """Whether the model has an `energy`, as model=ebm has."""

    takes_images: ClassVar[bool] = False
    """Whether x may be images [obs, height, width, channel]; otherwise it is [obs, feature]."""

    predicts: ClassVar[bool] = False
    """Whether it predicts new rows: `conditional`, `exported` and `restored` are written, as model=mdn has them."""

    rows_alike: ClassVar[bool] = False
    """Whether rows are alike and independent given the latents, so that the program itself predicts new ones."""

    part: ClassVar[str] = ""
    """Of a target that is a mixture: what its parts are called, as `component`; empty where it is none."""

    follows: ClassVar[str] = ""
    """The variable that holds what y was one row before, where new rows follow each other; empty where they do not."""

    rows_depend: ClassVar[bool] = False
    """Whether rows depend on each other given the latents, so that none can be left out, or seen without the others."""

    takes_all: ClassVar[bool] = False
    """Whether it must take every variable of the data."""

    flat_params: ClassVar[bool] = False
    """Whether a `numpyro.param` of it is a latent with a flat prior."""

    derives: ClassVar[str] = "model"
    """What `derived` adds, as a message calls it."""

    prior: dict[str, dist.Distribution | Shrinkage] = eqx.field(converter=_given)

    def __check_init__(self) -> None:
        """Refuse a prior that the model does not read, or that allows what its latent cannot be."""
        for latent, prior in self.prior.items():
            if latent not in self.accepted:
                raise ConfigError(f"prior.{latent}: the model reads no such prior; {nearest(latent, self.accepted)}")
            if isinstance(prior, Shrinkage):
                if latent not in self.shrunk:
                    raise ConfigError(
                        f"prior.{latent}: a {named(type(prior))} is a prior of all coefficients of a regression, and "
                        f"{latent} is none; choose another prior, or place it at prior.beta of model=regression"
                    )
                continue
            if not isinstance(prior, dist.Distribution):
                raise ConfigError(
                    f"prior.{latent}: expected a prior, as in prior@model.prior.{latent}=gaussian, but got {prior!r}"
                )
            if not any(within(prior.support, support) for support in self.accepted[latent]):
                expected = " or ".join(dict.fromkeys(map(describe, self.accepted[latent])))
                raise ConfigError(
                    f"prior.{latent}: {latent} must be {expected}, but the prior allows {describe(prior.support)}; "
                    "choose another prior"
                )

    @property
    def accepted(self) -> Mapping[str, tuple[Any, ...]]:
        """The priors that it may be given, with their supports; by default those that it reads."""
        return self.supports

    @property
    def name(self) -> str:
        """Its word in the configuration: the class's name as model=normal_inverse_gamma has it."""
        return named(type(self))

    @property
    def is_users(self) -> bool:
        """Whether the program is the user's own, so that what it does is tried before it is relied on."""
        return not type(self).__module__.startswith("credo.models.")

    @property
    def key(self) -> str:
        """Where a message says that something is wrong with its program."""
        return f"model={self.name}"

    @property
    def likelihood_key(self) -> str:
        """Where a message says that its likelihood does not fit the data."""
        return self.key

    @property
    def mathematics(self) -> str:
        """The model in mathematics, for the report."""
        return self.formula

    @property
    def rows(self) -> Rows | None:
        """How a table becomes its arrays; `None` where columns have roles."""
        return None

    @property
    def unread(self) -> Mapping[str, str]:
        """Settings that have no effect in the model as it is, below `model.`, and of each why, and what to do."""
        return {}

    @property
    def takes_classes(self) -> bool:
        """Whether its target is one of several classes, whose names become the numbers 0, 1, 2, ..."""
        return False

    @property
    def tells_of_new_rows(self) -> bool:
        """Whether a finished run of it says something of rows that it has not seen, as `credo predict` asks it to."""
        return self.predicts or self.rows_alike or self.rows is not None

    @property
    def levels(self) -> tuple[str, ...]:
        """The words of which the target has the numbers, once it is fitted; empty where these are numbers."""
        return ()

    @property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """Of the variables of new rows that hold numbers of names, such as those of groups: the names."""
        return {}

    @property
    def places(self) -> Mapping[str, tuple[int, int]]:
        """Of the variables of new rows that hold whole numbers: the least and the largest that it knows."""
        return {}

    @property
    def observes(self) -> tuple[str, str]:
        """The variable that is the target of new rows, and the site that observes it."""
        return "y", "y"

    @property
    def takes_one_row(self) -> bool:
        """Whether a table of a single row tells it something, as one lattice does."""
        return False

    @abc.abstractmethod
    def __call__(self, **data: Any) -> None:
        """Run the program: `numpyro.sample` the latents, and the observations with `obs=`.

        Args:
            data: the data set's variables by name. A variable that is also an observed site is its observation.
        """

    def arguments(self) -> tuple[frozenset[str], frozenset[str]]:
        """The data variables that the program requires, and those that it takes if they are there."""
        return arguments(type(self).__call__, skip=("self",))

    def arranged(self, data: xr.Dataset) -> xr.Dataset:
        """The data set with what the model makes of it before any rows are held out.

        Raises:
            ConfigError: it cannot be made.
        """
        return data

    def fitted(self, train: xr.Dataset) -> "Model":  # noqa: ARG002 - for those that look
        """This model with what it takes from the training rows before the inference: scales, sizes of networks.

        Raises:
            ConfigError: the rows do not allow it.
        """
        return self

    def given_training(self) -> "Model":
        """This model of held-out rows; one whose rows depend on each other gives them the training rows."""
        return self

    def require_rows(self, x: Float[np.ndarray, "row feature"]) -> None:
        """Raise `ConfigError` where a model that predicts new rows cannot predict some of these."""

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """What it took from the training rows and needs to predict others, as plain arrays."""
        return {}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "Model":  # noqa: ARG002 - for those that look
        """This model with what another of the same settings has `exported`."""
        return self

    def of_rows(self, problem: Any) -> "Model | None":  # noqa: ARG002 - for those that look
        """The model that says of new rows what a run of this one found; `None` where there is none.

        Args:
            problem: this model and its data, a `Problem`.

        Raises:
            ConfigError: the data or the program do not allow it.
        """
        return self if self.tells_of_new_rows else None

    def require_alike(self, draws: Mapping[str, Shaped[np.ndarray, "draw ..."]]) -> None:
        """Raise `ConfigError` where rows depend on each other at these draws, though the model is of rows alike."""

    def with_new_levels(
        self,
        draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
        arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],  # noqa: ARG002 - for those with groups
        key: PRNGKeyArray,  # noqa: ARG002
    ) -> tuple["Model", dict[str, Any]]:
        """This model and its draws with effects of those levels of groups among new rows that it has not seen."""
        return self, dict(draws)

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:  # noqa: ARG002 - for those with networks
        """Where training begins, by site in its own space; empty to begin as optimisers do."""
        return {}

    def sharpened(
        self, latents: dict[str, Float[Array, "..."]], factor: Float[Array, ""]
    ) -> dict[str, Float[Array, "..."]]:
        """Of a classifier: the latents at which its logits are multiplied by a factor."""
        raise NotImplementedError

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:  # noqa: ARG002 - a hook
        """The result with groups more that only this model has.

        Args:
            problem: this model and its data, a `Problem`.
            result: the draws or estimates; its tree may gain groups.
            key: of the run.
        """
        return result

    def template(self, data: xr.Dataset) -> xr.Dataset:
        """The inputs and placeholders from which data can be drawn (see `simulate.simulate`); by default those given.

        Raises:
            ConfigError: the model takes its sizes or scales from data, so that nothing can be drawn without any.
        """
        return data


def arguments(function: Any, skip: tuple[str, ...] = ()) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a function's required and optional parameters; `*` among the optional ones stands for `**kwargs`."""
    required, optional = set(), set()
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip or parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            optional.add("*")
        elif parameter.default is inspect.Parameter.empty:
            required.add(name)
        else:
            optional.add(name)
    return frozenset(required), frozenset(optional)
