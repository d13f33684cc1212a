"""`model.reparam={theta: loc_scale}`: NumPyro's reparametrisers, by site and by name, on any program.

A reparametriser samples something else and computes the site from it, so that the posterior stays and its geometry
becomes simpler (Gorinova, Moore & Hoffman 2020, "Automatic reparameterisation of probabilistic programs").
"""

from collections.abc import Callable, Mapping
from typing import Any

from numpyro import handlers
from numpyro.infer import reparam as theirs
from numpyro.primitives import Messenger

from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.models.messages import Message

KEY = "model.reparam"

CENTRED = "loc_scale"
"""That which takes a number: 0 samples standardised values; towards 1 it comes to the site itself."""


class LocScale(theirs.Reparam):
    """`LocScaleReparam` of a distribution with a location and a scale, whatever else it has.

    Args:
        centred: from 0 to below 1; it may be a leaf of a program.
    """

    def __init__(self, centred: Any = 0.0) -> None:
        self.centred = centred

    def __call__(self, name: str, fn: Any, obs: Any) -> tuple[Any, Any]:
        """Sample the standardised value, and compute that of the site."""
        base, _, _ = self._unwrap(fn)
        others = tuple(one for one in type(base).arg_constraints if one not in ("loc", "scale"))
        if not {"loc", "scale"} <= set(type(base).arg_constraints):
            raise ValueError(f"{type(base).__name__} has no loc and scale")
        return theirs.LocScaleReparam(self.centred, others)(name, fn, obs)


REPARAMETRISERS: Mapping[str, Callable[[], Any]] = {
    CENTRED: LocScale,
    "transform": theirs.TransformReparam,
    "projected_normal": theirs.ProjectedNormalReparam,
    "haar": theirs.HaarReparam,
    "discrete_cosine": theirs.DiscreteCosineReparam,
}
"""By name. `loc_scale` samples the standardised value; `transform` the base of a transformed distribution;
`projected_normal` the normal vector behind a direction; `haar` and `discrete_cosine` the frequencies of a series."""


class Reparametrised(handlers.reparam):
    """A program some of whose sites are computed from others, which have what is known of these sites.

    Args:
        fn: the program.
        names: of reparametrisers, by site.
        centred: the number of those sites that have one.
    """

    def __init__(self, fn: Callable[..., Any], names: Mapping[str, str], centred: Mapping[str, Any]) -> None:
        config = {
            site: LocScale(centred[site]) if site in centred else REPARAMETRISERS[n]() for site, n in names.items()
        }
        super().__init__(fn, config=config)
        self._names = names

    def process_message(self, msg: Message) -> None:
        """Replace a site."""
        if msg["type"] != "sample" or msg["name"] not in self._names or msg["is_observed"]:
            return
        name, fn = self._names[msg["name"]], msg["fn"]
        try:
            with _Inheriting({"effect": msg["name"], **msg["infer"]}):
                super().process_message(msg)
        except (AssertionError, ValueError, TypeError, AttributeError) as error:
            kind = type(fn.base_dist if hasattr(fn, "base_dist") else fn).__name__
            raise ConfigError(
                f"{KEY}.{msg['name']}={name}: it does not apply to this site, whose distribution is {kind} "
                f"({str(error) or 'another is needed'}); choose another reparametriser, or leave the site out"
            ) from error


class _Inheriting(Messenger):
    """Gives the sites within it what is known of another site, as that it is an effect of a group."""

    def __init__(self, infer: Mapping[str, Any]) -> None:
        super().__init__()
        self._infer = infer

    def process_message(self, msg: Message) -> None:
        """Add it."""
        if msg["type"] == "sample":
            msg["infer"] = {**self._infer, **msg["infer"]}


def read(given: Any) -> tuple[dict[str, str], dict[str, float]]:
    """Names by site, and the numbers of those sites that have one.

    Example:
        >>> read({"theta": "loc_scale", "mu": 0.5})
        ({'theta': 'loc_scale', 'mu': 'loc_scale'}, {'mu': 0.5})

    Raises:
        ConfigError: there is no such reparametriser, or a number is out of range.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{KEY}: expected names by latent, as in {KEY}={{theta: loc_scale}}, but got {given!r}")
    names, centred = {}, {}
    for site, word in given.items():
        if isinstance(word, int | float) and not isinstance(word, bool):
            if not 0 <= word < 1:
                raise ConfigError(f"{KEY}.{site}: expected a number from 0 to below 1, but got {word!r}")
            names[site], centred[site] = CENTRED, float(word)
        elif word in REPARAMETRISERS:
            names[site] = str(word)
        else:
            raise ConfigError(
                f"{KEY}.{site}: there is no reparametriser {word!r}; {nearest(str(word), list(REPARAMETRISERS))}"
            )
    return names, centred


def require_sites(names: Mapping[str, str], latents: list[str], observed: list[str]) -> None:
    """Raise `ConfigError` where a site is no latent of the model, given those that it has without reparametrisers."""
    for site in names:
        if site in observed:
            raise ConfigError(f"{KEY}.{site}: {site} is observed, and only latents can be reparametrised")
        if site not in latents:
            raise ConfigError(f"{KEY}.{site}: the model has no latent {site!r}; {nearest(site, latents)}")
