"""Every check: what it asks, of which results, its threshold, and what to do where it fails."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from credo.config import described, loading
from credo.inference.kind import Kind, Of
from reference.configuration import CONF, Key, word_of
from reference.markdown import block, code, definitions, listing, page, prose, sentence, table

FOLDER = CONF / "diagnostics" / "check"
KINDS = {
    Kind.CHAINS: "draws of Markov chains",
    Kind.INDEPENDENT: "independent draws of an approximation",
    Kind.WEIGHTED: "particles",
    Kind.POINT: "point estimates",
    Kind.TRAINED: "trained networks",
}
GROUPS = {
    "approximations": "several starts",
    "climb": "`inference=auto`",
    "curve": "one input",
    "gain": "priors that have a density",
    "information": "critics",
    "levels": "nested sampling",
    "normaliser": "energies",
    "optimisation": "an optimiser",
    "peak": "methods that go from the prior to the posterior",
    "predictive": "models that predict rows",
    "repeats": "independent repeats",
    "rungs": "a ladder of temperatures",
    "samples": "samples of an energy",
}
"""What results with these groups come from, in words."""

_DOING = (
    r"(Add|Change|Choose|Compare|Constrain|Draw|Fix|Give|If that is not what you want|Infer|Justify|Keep|Leave|"
    r"Lengthen|Look|Lower|Make|Narrow|Order|Raise|Read|Report|Reparametrise|Run|See|Set|Start|Train|Use|Widen)\b"
)
"""How a sentence begins that says what to do."""


def names() -> list[str]:
    """The checks in the order in which they are put."""
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: (_order(file), file.stem))
    return [file.stem for file in files]


def checks_page() -> str:
    """The page of all checks."""
    strict = _thresholds("strict")
    rows = [(f"[`{name}`](#check-{name})", prose(_question(_target(name)))) for name in names()]
    return page(
        "Checks",
        "Each check puts one question to a result. Its answer is `passed`, `failed`, `note` (the computation is sound, "
        "and the answer needs care in reading), or `not checked` (the question applies and could not be answered), "
        "which is never a pass. The verdict is `failed` if a check failed, `passed` if every check that decides "
        "passed, and `not checked` otherwise.",
        block(
            "credo experiment=eight_schools diagnostics.checks.r_hat.threshold=1.05\n"
            "credo experiment=eight_schools '~diagnostics.checks.loo'",
            "shell",
        ),
        "The first command sets a threshold, the second leaves a check out; `diagnostics=strict` has tighter bars.",
        table(("check", "asks"), rows),
        *(_section(name, strict.get(name, {})) for name in names()),
    )


def remedies(name: str) -> list[str]:
    """What the advice of a check tells people to do, sentence by sentence, from its source."""
    source = Path(str(loading.find(_target(name).rpartition(".")[0]).origin)).read_text(encoding="utf-8")
    told = [part for text in _texts(ast.parse(source)) for part in re.split(r"(?<=[.:!?])\s+|\0\s*", text)]
    return list(dict.fromkeys(part.strip(" ,") for part in told if re.match(_DOING, part)))


def _section(name: str, strict: dict[str, Any]) -> str:
    target = _target(name)
    keys = word_of("diagnostics.checks", FOLDER / f"{name}.yaml", f"diagnostics.checks.{name}").keys
    parts = [f"(check-{name})=\n## {code(name)}", prose(described.module(target)), prose(described.summary(target))]
    entries = [("Asked of", (_of(target),))]
    entries += [(code(key.name), (sentence(prose(key.does)), _facts(key, strict))) for key in keys]
    if told := remedies(name):
        entries.append(("What to do", (" ".join(sentence(prose(one)) for one in told),)))
    return "\n\n".join([*parts, definitions(entries)])


def _facts(key: Key, strict: dict[str, Any]) -> str:
    setting = key.name.rpartition(".")[2]
    tighter = f"; with `diagnostics=strict` {code(strict[setting])}" if setting in strict else ""
    kind = sentence(key.kind).removesuffix(".")
    return f"{kind}. Default: {code(key.default)}{tighter}."


def _of(target: str) -> str:
    """Of which results a check is, in words."""
    module, _, name = target.rpartition(".")
    scope = getattr(getattr(import_module(module), name), "of", Of())
    named = [KINDS[kind] for kind in scope.kinds]
    kinds = "all results" if scope.kinds == tuple(Kind) else listing(named)
    groups = " and ".join(dict.fromkeys(GROUPS.get(group.partition("/")[0], "") for group in scope.groups))
    return sentence(f"{kinds}{f', of {groups}' if groups else ''}")


def _target(name: str) -> str:
    return str(_content(FOLDER / f"{name}.yaml")["_target_"])


def _question(target: str) -> str:
    return described.module(target).partition("\n")[0]


def _thresholds(word: str) -> dict[str, dict[str, Any]]:
    return _content(CONF / "diagnostics" / f"{word}.yaml").get("checks", {})


def _content(file: Path) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    return content


def _order(file: Path) -> float:
    found = re.search(r"^# @order (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return float(found[1]) if found else float("inf")


def _texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module but for docstrings; what is put into them stands as a zero."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=[ast.Expr(value=first), *_]) | ast.ClassDef(body=[ast.Expr(value=first), *_]):
                inner.add(id(first))
            case ast.FunctionDef(body=[ast.Expr(value=first), *_]):
                inner.add(id(first))
            case ast.JoinedStr(values=values):
                inner.update(map(id, values))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in inner:
                yield text
            case ast.JoinedStr(values=values):
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in values)
