"""A model and its data: what is asked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from credo import memory
from credo.errors import ConfigError
from credo.models import reparam
from credo.models.base import Model
from credo.models.binding import BoundModel, bind, is_given
from credo.models.earlier import Earlier
from credo.models.names import Names, require_storable
from credo.models.observations import Observation, check_support, observe, unread
from credo.models.sites import Site, trace
from credo.models.subsample import subsamples

ROWS = "obs"
"""The plate of the rows; in the results it takes the name of the data's own first dimension."""


@dataclass(frozen=True)
class Problem:
    """A model and its data.

    Example:
        >>> import numpyro.distributions as dist
        >>> from credo.models.bernoulli import Bernoulli
        >>> flips = xr.Dataset({"y": ("flip", [1, 1, 0])})
        >>> problem = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), flips)
        >>> [(site.name, site.kind, site.distribution) for site in problem.sites]
        [('p', 'latent', 'Beta'), ('y', 'observed', 'BernoulliProbs')]

    Attributes:
        model: the model.
        data: the training rows.
        test: the held-out rows, or `None`.
        training: how the model's networks are trained, an `inference.training.base.Training`; `None` for a model
            without any.
        left_out: the groups of a result that nobody will ask for, and that need not be made.
        earlier: an earlier run whose posterior is the prior.
        reparam: names of reparametrisers, or numbers, by site (see `models.reparam`).
        mesh: how many devices share the chains, and how many the rows of each; `None` where each has all rows.
        rows_max: of an observed site with more rows than this, what is derived from each draw is kept of some of them
            (see `models.subsample`); `None` for all rows.
    """

    model: Model
    data: xr.Dataset
    test: xr.Dataset | None = None
    training: Any = None
    left_out: tuple[str, ...] = ()
    earlier: Earlier | None = None
    reparam: Any = field(default_factory=dict)
    mesh: tuple[int, int] | None = None
    rows_max: int | None = None

    @cached_property
    def bound(self) -> BoundModel:
        """The program over the training rows. Raises `ConfigError` where the data does not fit the model."""
        bound = self._reparametrised(bind(self.model, self.data))
        if self.mesh is not None:
            bound = self._spread(bound, self.mesh)
        return bound if self.earlier is None else replace(bound, earlier=self.earlier.mixture)

    @cached_property
    def bound_test(self) -> BoundModel | None:
        """The program over the held-out rows."""
        return None if self.test is None else self._reparametrised(bind(self.model.given_training(), self.test))

    def _spread(self, bound: BoundModel, mesh: tuple[int, int]) -> BoundModel:
        """The program with its rows over devices. Raises `ConfigError` where they have no equal shares."""
        rows = [name for name in bound.arrays if self.data[name].dims[:1] == (self.row_dim,)]
        size = self.data.sizes.get(self.row_dim, 0)
        if not rows or size % mesh[1]:
            what = f"{size} rows cannot be divided into {mesh[1]} equal parts" if rows else "the data has no rows"
            raise ConfigError(f"device.mesh.data={mesh[1]}: {what}; choose another number, or leave it out")
        return bound.spread(tuple(rows), mesh)

    def _reparametrised(self, bound: BoundModel) -> BoundModel:
        """The program with its reparametrisers. Raises `ConfigError` where it has no such latent."""
        if not self.reparam:
            return bound
        names, centred = reparam.read(self.reparam)
        sites = trace(bound)
        latents, observed = ([site.name for site in sites if site.kind == kind] for kind in ("latent", "observed"))
        reparam.require_sites(names, latents, observed)
        return replace(bound, reparam=tuple(names.items()), centred=centred)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All sites in the program's order."""
        return trace(self.bound)

    @cached_property
    def observations(self) -> dict[str, Observation]:
        """What the observed sites observed, but for those that observe what depends on a latent."""
        return observe(self.bound, self.sites)

    @cached_property
    def observations_test(self) -> dict[str, Observation]:
        """As `observations`, of the held-out rows."""
        return {} if self.bound_test is None else observe(self.bound_test, trace(self.bound_test))

    @cached_property
    def kept_rows(self) -> dict[str, Int[np.ndarray, "row"]]:
        """The rows that stand for all, of observed sites with very many; rows that depend on each other are kept."""
        if self.rows_max is None or self.model.rows_depend:
            return {}
        return subsamples(self.named("observed"), self.observations, self.rows_max)

    @cached_property
    def unknown(self) -> dict[str, Bool[np.ndarray, "..."]]:
        """Which entries of a latent are unknowns, where `sample(..., obs_mask=)` made one with others beside them."""
        found = {}
        for site in self.latents:
            partner = self.observations.get(f"{site.name.removesuffix('_unobserved')}_observed")
            if site.imputed and partner is not None:
                found[site.name] = np.zeros(site.shape, bool) if partner.seen is None else ~partner.seen
        return found

    @cached_property
    def names(self) -> Names:
        """What sites and dims are called in the results."""
        dims = [dim for site in self.sites for dim in self.dims(site)]
        return Names([site.name for site in self.sites], [*dims, *map(str, self.data.dims)])

    def named(self, kind: str) -> tuple[Site, ...]:
        """The sites of one kind."""
        return tuple(site for site in self.sites if site.kind == kind)

    @property
    def latents(self) -> tuple[Site, ...]:
        """The unknowns."""
        return self.named("latent")

    @cached_property
    def own_latents(self) -> tuple[str, ...]:
        """The names of the program's own unknowns; a reparametriser computes some of them from others."""
        sites = trace(bind(self.model, self.data)) if self.reparam else self.sites
        return tuple(site.name for site in sites if site.kind == "latent")

    @property
    def judged(self) -> tuple[str, ...]:
        """What a verdict on chains is about: the latents, or what is computed of them where these are a network's.

        They are called as in the results.
        """
        latents = tuple(site.name for site in self.latents if not site.internal and site.group == "posterior")
        judged = latents or tuple(site.name for site in self.named("deterministic"))
        return tuple(map(self.names.variable, judged))

    @property
    def informative(self) -> tuple[str, ...]:
        """The names of the sites that say something of the latents: factors, and observations that some mask leaves."""
        hidden = {name for name, one in self.observations.items() if one.seen is not None and not one.seen.any()}
        sites = [*self.named("observed"), *self.named("factor")]
        return tuple(site.name for site in sites if site.name not in hidden)

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """The names of the data on which nothing of the program depends."""
        return unread(self.bound)

    @property
    def improper(self) -> tuple[str, ...]:
        """The names of the latents whose priors are improper."""
        return tuple(site.name for site in self.latents if site.improper)

    @property
    def row_dim(self) -> str:
        """The data's name for its rows: the first dimension of the first variable that has one."""
        return next((str(v.dims[0]) for v in self.data.data_vars.values() if v.dims and is_given(v)), ROWS)

    @property
    def by_row(self) -> tuple[str, ...]:
        """The names of the program's arrays that have a value per row."""
        return tuple(name for name in self.bound.arrays if self.data[name].dims[:1] == (self.row_dim,))

    def observing(self, sites: Mapping[str, np.ndarray], variables: Mapping[str, np.ndarray]) -> "Problem":
        """This problem with other observations, of the same shapes and with the same gaps.

        Args:
            sites: what each observed site observes.
            variables: the same, by the data's variables.
        """
        data = self.data.copy()
        for name, values in variables.items():
            old = data[name].to_numpy()
            gaps = np.isnan(old) if old.dtype.kind == "f" else False
            data[name] = data[name].dims, np.where(gaps, old, values), data[name].attrs
        other = replace(self, data=data, test=None)
        known = [replace(site, value=sites[site.name]) if site.name in sites else site for site in self.sites]
        bound = self.bound.holding({name: data[name] for name in variables})
        other.__dict__.update(sites=tuple(known), bound=bound, names=self.names, unread=self.unread)
        return other

    def dims(self, site: Site) -> tuple[str, ...]:
        """The site's dims; those of an observed variable and of the rows are named as the data names them."""
        given = self.data.data_vars.get(site.name)
        if site.kind == "observed" and given is not None and given.shape == site.shape:
            return tuple(map(str, given.dims))
        return tuple(self.row_dim if dim == ROWS else dim for dim in site.dims)

    def require_enumerable(self, method: str) -> None:
        """Raise `ConfigError` unless there is a continuous latent and every discrete one can be summed out."""
        if all(site.discrete for site in self.latents if 0 not in site.shape):
            raise ConfigError(
                f"inference={method} moves continuous latents and the model has none "
                f"({', '.join(site.name for site in self.latents if site.discrete)} are discrete); use inference=mh"
            )
        for site in self.latents:
            if site.discrete and not site.enumerable:
                raise ConfigError(
                    f"inference={method} sums discrete latents out, but {site.name} ({site.distribution}) has no "
                    "finite support; use inference=mh"
                )

            if site.discrete and not site.from_zero:
                raise ConfigError(
                    f"inference={method} sums discrete latents out, which NumPyro does over 0, 1, 2, ..., but "
                    f"{site.name} ({site.distribution}) has other values; shift it, as in 1 + Categorical, or use "
                    "inference=mh"
                )

    def require_priors(self, method: str) -> None:
        """Raise `ConfigError` for a `numpyro.param`, unless the configuration says that its prior is flat."""
        for site in self.latents:
            if site.param and not self.model.flat_params:
                raise ConfigError(
                    f"model.function: {site.name} is a numpyro.param, which has no prior, but inference={method} draws "
                    "from a posterior; give it a prior by numpyro.sample, take its prior as flat by model.params=flat, "
                    "or estimate it by inference=mle or map"
                )

    @property
    def measure(self) -> str:
        """What the log likelihood is of: `mass` where everything observed is discrete, `density`, or `both`."""
        discrete = {site.discrete for site in self.named("observed")}
        return "both" if len(discrete) > 1 else "mass" if True in discrete else "density"

    def require_normalised(self, who: str) -> None:
        """Raise `ConfigError` if the likelihood has a Z that cannot be computed."""
        if any(not site.normalised for site in self.named("observed")):
            raise ConfigError(
                f"{who} needs the likelihood, but Z of this energy is intractable: it depends on theta and cannot be "
                "computed; use inference=exchange for the posterior, or inference=mle with training=pcd, nce or "
                "score_matching for an estimate"
            )

    def check(self) -> None:
        """Raise `ConfigError` if the data does not fit the model."""
        if all(0 in site.shape for site in self.latents):
            raise ConfigError("model: expected at least one latent variable, but the model has none; nothing to infer")
        self._check_names()
        memory.require("model", 4 * sum(math.prod(site.shape) for site in self.sites))
        for site in self.named("observed"):
            if site.name in self.observations:
                check_support(site, self.observations[site.name], self.row_dim, self.model)

    def _check_names(self) -> None:
        """Raise `ConfigError` if a file cannot have the name of a site or of one of its dims."""
        for dim in map(str, self.data.dims):
            require_storable(dim, "data: a dimension")
        for site in self.sites:
            require_storable(site.name, f"{self.model.key}: a site")
            for dim in self.dims(site):
                require_storable(dim, f"{self.model.key}: a plate or a dimension of {site.name}")
