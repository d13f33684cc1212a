"""A user's own NumPyro function as a model."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Shaped

from credo.config import loading
from credo.config.failure import in_words
from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.models.base import Model, arguments
from credo.models.program_rows import ProgramRows, program_rows


class Program(Model):
    """The NumPyro function `module:function`, with the data's variables as keyword arguments.

    Attributes:
        function: the program.
        sizes: whole numbers among the configured arguments; they are structure.
        numbers: the other configured arguments; changing one does not recompile.
        params: `flat` lets Markov chains take a `numpyro.param` as a latent with a flat prior.
    """

    formula: ClassVar[str] = "a NumPyro function of the user's own"
    several_targets: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True

    function: Callable[..., Any] = eqx.field(static=True)
    sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)
    numbers: dict[str, float]
    params: str | None = eqx.field(static=True)

    def __init__(self, function: str, arguments: Mapping[str, Any], params: str | None = None) -> None:
        self.prior = {}
        self.params = params
        if params not in (None, "flat"):
            raise ConfigError(f"params: expected flat or null, but got {params!r}")
        self.function = load(function)
        _require_taken(self.function, arguments)
        self.sizes = tuple((name, value) for name, value in arguments.items() if isinstance(value, int))
        self.numbers = {name: _number(name, value) for name, value in arguments.items() if not isinstance(value, int)}

    def __call__(self, /, **data: Any) -> None:
        """Call the function with the data and the configured arguments."""
        self.function(**data, **dict(self.sizes), **self.numbers)

    @property
    def is_users(self) -> bool:
        """It is."""
        return True

    @property
    def key(self) -> str:
        """The function."""
        return "model.function"

    @property
    def likelihood_key(self) -> str:
        """That of a model without a choice of likelihoods."""
        return "model=program"

    @property
    def flat_params(self) -> bool:  # type: ignore[override]
        """Whether the configuration says so."""
        return self.params == "flat"

    @property
    def takes_one_row(self) -> bool:
        """Whoever writes a program knows."""
        return True

    @property
    def mathematics(self) -> str:
        """The function: its module and name, and its source."""
        name = f"{self.function.__module__}:{getattr(self.function, '__qualname__', type(self.function).__name__)}"
        try:
            source = textwrap.dedent(inspect.getsource(inspect.unwrap(self.function))).rstrip()
        except (OSError, TypeError):  # its file is gone, or it is an object that can be called
            return f"{name}, {self.formula}"
        return f"{name}, {self.formula}:\n\n{source}"

    def of_rows(self, problem: Any) -> ProgramRows:
        """The program over new rows, if they are alike."""
        return program_rows(self, problem)

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> ProgramRows:
        """The program over new rows, with what was `exported` of it."""
        return ProgramRows(self, arrays)

    def arguments(self) -> tuple[frozenset[str], frozenset[str]]:
        """The function's parameters, without those that the configuration gives."""
        return arguments(self.function, skip=(*dict(self.sizes), *self.numbers))


def _require_taken(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    required, optional = arguments(function)
    for name in given:
        if name not in required | optional and "*" not in optional:
            raise ConfigError(
                f"arguments.{name}: the function has no such parameter; {nearest(name, sorted(required | optional))}"
            )


def _number(name: str, value: Any) -> float:
    if not isinstance(value, float):
        raise ConfigError(
            f"arguments.{name}: expected a number, but got {value!r}; lists and arrays belong to the data"
        )
    return value


def load(reference: str) -> Callable[..., Any]:
    """Import `module:function`.

    Raises:
        ConfigError: it is not of this form, the module does not import, or has no such function.
    """
    module_name, _, function_name = reference.partition(":")
    if not module_name or not function_name:
        raise ConfigError(f"function: expected module:function, but got {reference!r}")
    if module_name.endswith(".py"):
        typed = f"{module_name.removesuffix('.py').removeprefix('./').replace('/', '.')}:{function_name}"
        raise ConfigError(f"function: expected a module, but {module_name} is the name of its file; type {typed}")
    try:
        module = loading.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"function: the module {module_name!r} cannot be imported ({in_words(error)}); is its file in the folder "
            f"where credo was started?{loading.hidden(error)}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise ConfigError(
            f"function: the module {module_name!r} ({getattr(module, '__file__', None)}) has no function "
            f"{function_name!r}; {nearest(function_name, functions)}"
        )
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"function: expected a function, but {reference} is a coroutine; define it without async")
    return function
