"""What a formula may say: it is parsed, and every name that it calls must be among the functions known here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from formulae.environment import Environment
from formulae.expr import Assign, Binary, Call, Grouping, Literal, QuotedName, Unary, Variable
from formulae.parser import Parser
from formulae.resolver import Resolver
from formulae.scanner import Scanner
from formulae.terms.terms import GroupSpecificTerm, Model

from credo.config.nearest import nearest
from credo.errors import ConfigError

NUMERIC = {
    name: getattr(np, name)
    for name in ("abs", "cos", "exp", "expm1", "log", "log10", "log1p", "log2", "sin", "sqrt", "square", "tanh")
}
"""Functions of numbers, with or without `np.` before them."""

CONTRASTS = ("Sum", "Treatment")
"""How a factor becomes columns, as in `C(x, Sum)`."""

LOGS = {f"{prefix}{name}" for prefix in ("", "np.") for name in ("log", "log10", "log2")}

CODINGS = ("B", "C", "S", "T", *CONTRASTS, "binary")
STATEFUL = ("bs", "cc", "center", "cr", "poly", "scale", "standardize")
ALLOWED = {*NUMERIC, *(f"np.{name}" for name in NUMERIC), *CODINGS, *STATEFUL, "I", "offset"}
TARGETS = {"p", "prop", "proportion", "censored"}
"""What may be called left of `~` beside functions of numbers."""

_BRMS = {
    "cens": ("censored({y}, {of})", "with status none, left or right"),
    "trials": ("p({y}, {of})", ""),
    "weights": ("data.weights={of}", "beside the formula"),
}
_HINTS = {
    "s": "bs(x, df=5)",
    "t2": "bs(x, df=5)",
    "factor": "C(x)",
    "as.factor": "C(x)",
    "ns": "cr(x, df=5)",
    "sd": "scale(x)",
}
_IN_BACKTICKS = "a column whose name is no single word stands in backticks, as in `age (years)`"


@dataclass(frozen=True)
class Formula:
    """A formula, parsed.

    Attributes:
        text: as it was typed.
        target: the syntax tree left of `~`.
        common: the terms of all rows together, as formulae has them.
        groups: those that differ between groups.
        columns: of the table, that the terms need.
        coded: those of them that are factors whatever they hold, as in `C(g)`.
        logged: those of them that stand in logarithms alone, as in `log(dose)`.
    """

    text: str
    target: Any
    common: Model
    groups: tuple[GroupSpecificTerm, ...]
    columns: tuple[str, ...]
    coded: frozenset[str]
    logged: frozenset[str]


def parsed(text: str) -> Formula:
    """Parse a formula, and refuse what it may not say.

    Raises:
        ConfigError: it is no formula, or calls what is not known.
    """
    try:
        return _parsed(text)
    except RecursionError as error:
        raise _unreadable(text, error) from error


def parsed_sigma(text: str) -> Formula:
    """Parse the formula of the target's own scale, `sigma ~ TERMS` or its terms alone.

    Raises:
        ConfigError: it is no formula, or calls what is not known.
    """
    with of_sigma():
        formula = parsed(text if "~" in text else f"sigma ~ {text}")
        if written(formula.target) != "sigma":
            raise ConfigError(f"model.formula: expected sigma ~ TERMS, as in 'sigma ~ age', but got {text!r}")
        return formula


@contextmanager
def of_sigma() -> Iterator[None]:
    """Sentences about a formula name that of sigma."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(str(error).replace("model.formula:", "model.formula_sigma:", 1)) from error


def _parsed(text: str) -> Formula:
    tree = _tree(text)
    _refuse_text(tree.right)
    _require_known(tree.left, {*NUMERIC, *(f"np.{name}" for name in NUMERIC), "I", *TARGETS}, "left of ~")
    _require_known(tree.right, ALLOWED, "right of ~")
    try:
        model = Resolver(tree.right).resolve()
        model = model if isinstance(model, Model) else Model(model)
    except Exception as error:
        raise _unreadable(text, error) from error
    for term in model.group_terms:
        if not all(hasattr(one, "reference") for one in term.factor.components):
            raise ConfigError(f"model.formula: expected a column as the group, as in (1 | g), but got ({term.name})")
    every = columns_of(tree.right)
    columns = tuple(dict.fromkeys(every))
    of_target = (
        tree.left.args[:1] if isinstance(tree.left, Call) and written(tree.left.callee) in TARGETS else [tree.left]
    )
    if twice := [name for one in of_target for name in columns_of(one) if name in columns]:
        raise ConfigError(
            f"model.formula: the target {twice[0]!r} is among its own predictors or groups; leave it out right of ~"
        )
    coded = {name for call in _calls(tree.right) if written(call.callee) in CODINGS for name in columns_of(call)}
    in_logs = [name for call in _calls(tree.right) if written(call.callee) in LOGS for name in columns_of(call)]
    logged = frozenset(name for name in columns if in_logs.count(name) == every.count(name))
    common, groups = Model(*model.common_terms), tuple(model.group_terms)
    return Formula(text, tree.left, common, groups, columns, frozenset(coded), logged)


def _tree(text: str) -> Binary:
    """The syntax tree, with the target left of `~`."""
    if "||" in text:
        raise ConfigError(
            "model.formula: (x || g) is lme4's for effects without correlation; write (x | g) and set "
            "model.correlated=false"
        )
    try:
        parser = Parser(Scanner(text).scan())
        tree = parser.parse()
        if not parser.at_end():
            raise ValueError(f"what begins at {parser.peek().lexeme!r} does not belong to it; {_IN_BACKTICKS}")
    except Exception as error:
        raise _unreadable(text, error) from error
    if not isinstance(tree, Binary) or tree.operator.kind != "TILDE":
        raise ConfigError(f"model.formula: expected TARGET ~ TERMS, as in 'y ~ x', but got {text!r}")
    if isinstance(tree.left, Binary) and tree.left.operator.kind == "PIPE":
        raise _of_brms(tree.left, text)
    return tree


def _unreadable(text: str, error: BaseException) -> ConfigError:
    if isinstance(error, RecursionError):
        return ConfigError(
            f"model.formula: expected fewer terms, or fewer brackets inside each other, than in its {len(text):,} "
            "characters; shorten it"
        )
    why = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(
        f"model.formula: {text!r} cannot be read ({why[:200]}); write it as in 'y ~ age*sex + bs(dose, df=5) + (1 | g)'"
    )


def _of_brms(left: Binary, text: str) -> ConfigError:
    """The sentence that translates `y | cens(c) ~ ...`."""
    call, y = left.right, written(left.left)
    name = written(call.callee) if isinstance(call, Call) else ""
    if name not in _BRMS or not call.args:
        return ConfigError(f"model.formula: {text!r} has a | left of ~; write one target there, as in 'y ~ x'")
    form, more = _BRMS[name]
    told = form.format(y=y, of=written(call.args[0]))
    return ConfigError(
        f"model.formula: '{y} | {name}({written(call.args[0])})' is brms's; write {told}{' ' * bool(more)}{more}"
    )


def _refuse_text(tree: Any) -> None:
    """Refuse text in quotes as a term, which stands for no column."""
    if isinstance(tree, Literal) and isinstance(tree.value, str):
        raise ConfigError(f"model.formula: {tree.value!r} is text; {_IN_BACKTICKS.replace('age (years)', tree.value)}")
    if isinstance(tree, Binary):
        _refuse_text(tree.left)
    if isinstance(tree, Binary | Unary):
        _refuse_text(tree.right)
    if isinstance(tree, Grouping):
        _refuse_text(tree.expression)


def _require_known(tree: Any, allowed: set[str], where: str) -> None:
    """Refuse a call of a function that is not allowed there."""
    for call in _calls(tree):
        name = written(call.callee)
        if name not in allowed:
            shown = name if len(name) <= 60 else f"{name[:57]}..."
            hint = f"use {_HINTS[name]}" if name in _HINTS else f"{nearest(name, sorted(allowed))}; {_IN_BACKTICKS}"
            raise ConfigError(f"model.formula: there is no function {shown!r} {where}; {hint}")


def _calls(tree: Any) -> Iterator[Call]:
    """All calls in a syntax tree."""
    if isinstance(tree, Call):
        yield tree
        for one in tree.args:
            yield from _calls(one)
    elif isinstance(tree, Binary):
        yield from _calls(tree.left)
        yield from _calls(tree.right)
    elif isinstance(tree, Unary):
        yield from _calls(tree.right)
    elif isinstance(tree, Grouping):
        yield from _calls(tree.expression)
    elif isinstance(tree, Assign):
        yield from _calls(tree.value)


def written(tree: Any) -> str:
    """A syntax tree as it may have been typed."""
    match tree:
        case Variable():
            return tree.name.lexeme if tree.level is None else f"{tree.name.lexeme}[{tree.level.value}]"
        case QuotedName():
            return str(tree.expression.lexeme[1:-1])
        case Literal():
            return str(tree.value)
        case Call():
            return f"{written(tree.callee)}({', '.join(map(written, tree.args))})"
        case Binary():
            return f"{written(tree.left)} {tree.operator.lexeme} {written(tree.right)}"
        case Unary():
            return f"{tree.operator.lexeme}{written(tree.right)}"
        case Grouping():
            return f"({written(tree.expression)})"
        case Assign():
            return f"{tree.name.name.lexeme}={written(tree.value)}"
    return str(tree)


def columns_of(tree: Any) -> list[str]:
    """The columns that a syntax tree names."""
    if isinstance(tree, Variable | QuotedName):
        return [written(tree).partition("[")[0] if isinstance(tree, Variable) else written(tree)]
    if isinstance(tree, Call):
        is_coding = written(tree.callee) in CODINGS
        found = [columns_of(one) for one in tree.args]
        return [name for i, names in enumerate(found) for name in names if not (i and is_coding and name in CONTRASTS)]
    if isinstance(tree, Binary):
        return columns_of(tree.left) + columns_of(tree.right)
    if isinstance(tree, Unary):
        return columns_of(tree.right)
    if isinstance(tree, Grouping):
        return columns_of(tree.expression)
    return columns_of(tree.value) if isinstance(tree, Assign) else []


def namespace() -> Environment:
    """What formulae looks names up in, beside its own transforms: the functions of numbers, and nothing else."""
    return Environment([{**NUMERIC, "np": SimpleNamespace(**NUMERIC), "I": lambda x: x}])
