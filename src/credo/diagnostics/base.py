"""What a check must offer (`conf/diagnostics`), and what comes of all checks: the verdict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax
    import pandas as pd

    from credo.inference.base import Inference
    from credo.inference.result import Result
    from credo.models.problem import Problem


CheckStatus = Literal["passed", "failed", "not checked", "note"]


@dataclass(frozen=True)
class Check:
    """One question to a result, and its answer.

    Attributes:
        name: the check's word, e.g. `r_hat`.
        status: `passed`; `failed`; `not checked` where the question applies but could not be answered, which is never a
            pass; `note` where the question was answered and the answer needs care in reading, but is no fault of the
            inference (prior sensitivity). A question that could not be answered is never a note.
        value: the number judged, `None` where there is none.
        threshold: the bar, `None` where there is none.
        advice: one or two sentences in words: what was seen and, unless it passed, what to do.
        decides: whether the verdict depends on it; not where the answer could have been a note at worst, or where the
            question is about a part of the answer that the model does not provide.
    """

    name: str
    status: CheckStatus
    value: float | None
    threshold: float | None
    advice: str
    decides: bool = True


@runtime_checkable
class Diagnostic(Protocol):
    """One check of a result (`conf/diagnostics`).

    A class attribute `of` says of which results it is (see `inference.kind.Of`); without one, it is put to all.
    """

    def __call__(self, result: "Result", summary: "pd.DataFrame") -> Check | None:
        """Judge a result. Returns `None` where the question does not apply to it (the only observation left out)."""
        ...


def put(check: Diagnostic, result: "Result", summary: "pd.DataFrame") -> Check | None:
    """Put a check to a result; `None` where it is not of such results, or does not apply."""
    scope = getattr(check, "of", None)
    return None if scope is not None and not scope.holds(result) else check(result, summary)


@runtime_checkable
class Particular(Protocol):
    """A check that names parts of the model, and looks whether they are there before anything runs."""

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError`, whose sentence begins with the setting, where a part is not there."""
        ...


@runtime_checkable
class Deriving(Protocol):
    """A check that derives something of its own from the draws, for which it takes the problem and the method.

    A class attribute `derives` says what, in words.
    """

    derives: str

    def require(self, problem: "Problem", method: "Inference") -> None:
        """Raise `ConfigError`, whose sentence begins with the setting, where it cannot be derived."""
        ...

    def derived(self, problem: "Problem", method: "Inference", result: "Result", key: "jax.Array") -> "Result":
        """The result with what was derived."""
        ...


@dataclass(frozen=True)
class Verdict:
    """Whether the answer may be believed.

    `passed` only if every check that decides passed; `failed` if any failed; otherwise `not checked`.
    """

    status: Literal["passed", "failed", "not checked"]
    checks: tuple[Check, ...]
