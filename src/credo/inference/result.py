"""What every inference method returns: one `Result`, whatever the method was."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import xarray as xr

from credo.inference.grouping import Grouping
from credo.inference.kind import Kind


class Status(enum.Enum):
    """How an inference ended. The values are the sentences that a person reads."""

    DONE = "The inference ran to its end."
    NOT_CONVERGED = "The optimiser stopped before it converged."
    NOT_FINITE = "The log density became NaN or infinite."
    STOPPED = "The chains stopped before all draws were made, by the rule in inference.stop."


@dataclass(frozen=True)
class Cost:
    """What the inference cost.

    Attributes:
        seconds: wall-clock seconds by phase, in order: `compile` (with loading from the cache), `warmup`, `sampling` or
            `optimisation`, `looks` (R-hat and ESS between blocks, progress), `evaluation` (log likelihood, predictive).
        gradients: evaluations of the gradient of the log density, summed over chains or starts; 0 for `mh`.
        density_evaluations: evaluations of the log density, gradients included.
        programs: how many programs XLA compiled or loaded from the cache.
    """

    seconds: Mapping[str, float]
    gradients: int = 0
    density_evaluations: int = 0
    programs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of both, phase by phase.

        Example:
            >>> Cost({"warmup": 1.0}, gradients=10) + Cost({"warmup": 2.0, "evidence": 0.0}, programs=1)
            Cost(seconds={'warmup': 3.0, 'evidence': 0.0}, gradients=10, density_evaluations=0, programs=1)
        """
        phases = dict.fromkeys([*self.seconds, *other.seconds])
        return Cost(
            {phase: self.seconds.get(phase, 0.0) + other.seconds.get(phase, 0.0) for phase in phases},
            self.gradients + other.gradients,
            self.density_evaluations + other.density_evaluations,
            self.programs + other.programs,
        )


@dataclass(frozen=True)
class Result:
    """A posterior, or a point estimate as a posterior of one draw, in ArviZ's schema.

    Attributes:
        tree: groups, each with dims `chain, draw, ...` unless said otherwise:
            `posterior`: latents in constrained space, deterministic sites, recovered discrete latents; attrs
            `walkers_together` and `chains_together` (see `Grouping`), where they are above one.
            `sample_stats` (MCMC): `diverging`, `energy`, `lp`, `n_steps`, `tree_depth`, `reached_max_treedepth`,
            `acceptance_rate`, `step_size`; a sampler writes those that it has.
            `log_likelihood`: per observed site and observation. `log_prior`: per latent site, summed over its dims.
            `posterior_predictive`: one draw of every observed site per posterior draw.
            Of an observed site with more rows than `Problem.rows_max`, both have those that stand for all (coordinate
            `DIM_place`); `total_log_likelihood` has the sum over all rows, and `pointwise` (dim `moment`; no chain and
            draw) moments over the draws of each row (see `pointwise.MOMENTS`).
            `conditional` (mh; no chain and draw): of discrete latents, the probability of all other values given all
            else, where a scalar kept one value in all draws, else NaN.
            `start` (MCMC; no draw): where each chain began, of the variables in `sampled`.
            `observed_data`, `constant_data`, and `truth` (synthetic data): no chain and draw.
            `posterior_mean`, `posterior_variance`: dims `chain, block, ...`: of variables whose draws are not kept;
            `posterior_count`: `draws` in each block.
            `log_likelihood_test` (held-out rows, where the data has a test split).
            Point estimates have `standard_error` (the variables of `posterior` without chain and draw; NaN where it is
            not defined) and `optimisation` (dim `start`: `objective` [start] the log density reached, `gradient_norm`
            [start], `converged` [start], `distance` [start] to the best start in standard errors; dim `eigenvalue`:
            `hessian_eigenvalues`, ascending, of the observed information in unconstrained space, scaled to unit
            diagonal; dims `direction, side`: `fall`, by how much the log density falls at one standard error along each
            latent's profile and each eigenvector, backwards and forwards, with the coords `latent` [direction], the
            scalar that the direction concerns most, and `grows` [direction], whether that grows along it; attrs `best`,
            the best start; `newton_decrement`, how far it is from its mode in standard errors; `rounding`, of the log
            density in nats; `classes`, 1 where all that is observed are classes; JSON lists: `boundary` and `flat`, the
            scalars on the boundary or along which the density is flat, and `unbounded`, those towards whose end it
            grows without bound, with that end; or, instead of these, `unknown`, why there is no curvature).
            Independent draws of an approximation have `log_p` and `log_q` in `sample_stats`, an `optimisation` of one
            at a mode, `approximations` of those with one per start (dim `start`: `elbo`, `kept` [start] after how many
            steps, `reached` [start], the share of the posterior within its reach; dims `start, step`: `course`, the
            ELBO by step; attr `alone`, the share that fewer than two starts reach), and
            `importance` (dim `proposal`): `log_p`, `log_q` and the normalised `log_weight` of all draws of the
            approximation; attrs `pareto_k`, the bar `most` of it, `resampled` (0 or 1), and `effective`, how many
            independent draws the posterior's are worth, NaN where they are not known.
            Chains that are another run's, reweighted (see `reweight`), have `reweighted` (dim `proposal`: `log_weight`
            of each of their draws before they were resampled; attrs `pareto_k`, the bar `most` of it, `effective`, how
            many draws they count as, and `source`, whose they were).
            Particles have a repeat as their `chain`, and `repeats` (dim `repeat`: `log_evidence` of each, and
            `founders`, the effective number of draws of the prior from which they descend). Those of `smc` have
            `temperatures` (dims `repeat, temperature`: `beta`, `effective`, the share of the particles that stays
            effective, `acceptance` and `transitions` of the moves). Those of `nested` have `levels` (dims `repeat,
            batch`: `log_volume`, the log of the share of the prior above the level of the batch, `log_likelihood` at
            it, `share` of the evidence in its points, `remaining` of it in the live points and `at_most`, were these
            as high as the highest; `insertion`, the rank sum of the new points in standard errors, and their `moves`),
            and the `variance` of each repeat by its volumes, relative to the evidence.
            Those of `tempering` have `rungs` (dim `rung`: `beta`; dim `pair` of neighbours: `exchange`, the mean
            acceptance probability; dim `chain`: `trips`, the states that came from the prior), and a chain as a
            `repeat`.
            `prior_from` (scalars; where the prior is an earlier posterior): `pareto_k` and `divergence` of the
            mixture of normal distributions that stands for it.
            `peak` (scalars; see `inference.smc.peak`): `height`, `mass` and `near` of the highest peak.
            `evidence` (no chain and draw; dim `way`): `log_evidence` of the data and `log_evidence_error`.
        status: how the inference ended.
        cost: what it cost.
        method: the method's word on the command line, e.g. `nuts`.
        kind: what the answer is made of.
        sampled: names of the variables in `posterior` that the sampler moves (deterministic sites are not among them).
        observed: names of the factors of the density and of the observed sites, without those that a mask hides
            altogether; `None` where that is not known.
        unread: names of the data on which nothing in the model depends.
        improper: names of the latents whose priors are improper.
        statistics: what the sampler reports of each draw, by the names in `sample_stats`.
    """

    tree: xr.DataTree
    status: Status
    cost: Cost
    method: str
    kind: Kind
    sampled: tuple[str, ...]
    observed: tuple[str, ...] | None = None
    improper: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    history: tuple[Mapping[str, float], ...] = field(default=())
    """What was known after each block, in order: `phase`, `done`, and the numbers given to `Listener.progress`."""

    def has(self, name: str) -> bool:
        """Whether there is a group of this name, or a variable in a group, as in `curve/density`."""
        group, _, variable = name.partition("/")
        return group in self.tree.children and (not variable or variable in self.tree[group].data_vars)

    @property
    def grouping(self) -> Grouping:
        """Which draws belong together."""
        return Grouping.of(self.tree["posterior"].attrs if self.has("posterior") else {})

    @property
    def missing(self) -> Mapping[str, str]:
        """What could not be derived from the answer, each with the reason; the attribute `missing` of the tree."""
        reasons: dict[str, str] = json.loads(self.tree.attrs.get("missing", "{}"))
        return reasons
