"""What a source of data must offer (`conf/data`)."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import xarray as xr

    from credo.models.base import Model


@runtime_checkable
class Source(Protocol):
    """Where the data comes from (`conf/data`)."""

    def load(self, model: "Model", seed: int) -> "xr.Dataset":
        """Return the data with named dims and coords.

        Every variable is an argument of the model by its name: by custom `y` [obs] or [obs, target] is the target, `x`
        [obs, feature] the inputs, `context` [obs, context_feature] what conditions a network, `sigma` [obs] known
        standard errors, `group` [obs] whole numbers that index the coordinate `group_name`. Variables whose attribute
        `role` is `truth` are the parameters that generated the data and are kept from the model. A coordinate `split`
        along the rows, with the values `train` and `test`, holds rows out.

        Raises:
            ConfigError: a file, column or value is missing or impossible; the sentence names the key.
        """
        ...


@runtime_checkable
class Early(Protocol):
    """A source or a tracker that can judge its settings before anything else is loaded."""

    def precheck(self) -> None:
        """Raise `ConfigError` where a file, a column or an address is not there; quick, and from this folder."""
        ...
