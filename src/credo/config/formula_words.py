"""What is typed for a formula and a table: Hydra's quotes around the one, and the names of terms and columns as keys.

No file of `conf` knows these names, so that Hydra would take them for wrong keys.
"""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig

from credo.config import paths

_FORMULA = re.compile(r"\+?model\.formula(_sigma)?=")
_CHOICE = re.compile(r"prior@model\.prior\.(\w+)=")
_NUMBER = re.compile(r"model\.prior\.(\w+)\.\w+=")
_COLUMN = re.compile(r"data\.(dates|rename)\.\w+=")
_COLUMNS = re.compile(r"\+?data\.(dates|rename)=\{.*\}$")
_NAME = r"""\s*("[^"]*"|'[^']*'|[^,:"']+?)\s*"""
_PAIR = re.compile(rf"{_NAME}:{_NAME}(?:,|$)")


def in_place(words: Sequence[str]) -> list[str]:
    """The words, so that Hydra takes a formula, the priors of its terms and the names of columns as they are typed.

    Example:
        >>> in_place(["model.formula=y ~ bs(x, df=5)"])
        ['model.formula="y ~ bs(x, df=5)"']
        >>> in_place(["model.formula=y~age", "model.prior.age.scale=1"])
        ['model.formula="y~age"', '+prior@model.prior.age=gaussian', 'model.prior.age.scale=1']
        >>> in_place(["model.formula_sigma=1 + (1 | ward)"])
        ['model.formula_sigma="1 + (1 | ward)"']
        >>> in_place(["data.dates.day=weeks"])
        ['+data.dates.day=weeks']
        >>> in_place(["data.rename={Age (years): age}"])
        ['data.rename="{Age (years): age}"']

    Args:
        words: the overrides; without a formula among them only the names of columns are looked at.
    """
    words = [f"+{word}" if _COLUMN.match(word) else _as_text(word) for word in words]
    if not any(map(_FORMULA.match, words)):
        return words
    known, found = _known(), list[str]()
    chosen = {match[1] for word in words if (match := _CHOICE.match(word.lstrip("+")))}
    for word in words:
        if (match := _CHOICE.match(word)) and match[1] not in known:
            found.append(f"+{word}")
            continue
        if (match := _NUMBER.match(word)) and match[1] not in known | chosen:
            chosen.add(match[1])
            found.append(f"+prior@model.prior.{match[1]}={_default(match[1])}")
        found.append(_quoted(word) if _FORMULA.match(word) else word)
    return found


def _default(key: str) -> str:
    """Which prior a term has of which only numbers are typed."""
    return "half_normal" if key.removeprefix("sigma_").startswith("sd_") else "gaussian"


def name_columns(config: DictConfig) -> None:
    """Let names of columns that Hydra's grammar does not have, and that are text therefore, be the mapping they say."""
    data = config.get("data")
    for key in ("rename", "dates"):
        if data is not None and isinstance(text := data.get(key), str) and text[:1] == "{":
            data[key] = _pairs(text) or text  # of which the source says what it expects


def _pairs(text: str) -> dict[str, str] | None:
    """The names and words of `{name: word, "name": word}`; `None` where it is something else.

    Example:
        >>> _pairs('{Age (years): age, "a, b": c}')
        {'Age (years)': 'age', 'a, b': 'c'}
    """
    found = list(_PAIR.finditer(inner := text[1:-1]))
    if text[-1:] != "}" or "".join(pair[0] for pair in found) != inner:
        return None
    return {pair[1].strip("\"'"): pair[2].strip("\"'") for pair in found}


def _as_text(word: str) -> str:
    """A mapping of columns with quotes around it, where its names need them."""
    return _readable(word) if _COLUMNS.match(word) else word


def _readable(word: str) -> str:
    """An override, with quotes around its value where Hydra cannot read it without."""
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        key, _, value = word.partition("=")
        return f"{key}={_in_quotes(value)}"
    return word


def _known() -> set[str]:
    """The priors that the file of `model=regression` names."""
    text = (paths.built_in() / "conf" / "model" / "regression.yaml").read_text()
    return set(re.findall(r"/prior@prior\.(\w+):", text))


def _quoted(word: str) -> str:
    """`model.formula=y ~ x` with quotes, where it has none; terms alone have some where they need them."""
    key, _, value = word.partition("=")
    if value[:1] in ("'", '"', "$"):
        return word
    if "~" not in value:
        return _readable(word)
    return f"{key}={_in_quotes(value)}"


def _in_quotes(text: str) -> str:
    return QuotedString(text, Quote.single if '"' in text else Quote.double).with_quotes()
