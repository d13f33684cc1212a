"""What is typed for a formula and a table: Hydra's quotes around the one, and the names of terms and columns as keys.

No file of `conf` knows these names, so that Hydra would take them for wrong keys.
"""

import re
from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString

from credo.config import paths

_FORMULA = re.compile(r"\+?model\.formula(_sigma)?=")
_CHOICE = re.compile(r"prior@model\.prior\.(\w+)=")
_NUMBER = re.compile(r"model\.prior\.(\w+)\.\w+=")
_COLUMN = re.compile(r"data\.(dates|rename)\.\w+=")


def in_place(words: Sequence[str]) -> list[str]:
    """The words, so that Hydra takes a formula and the priors of its terms as they are typed.

    Example:
        >>> in_place(["model.formula=y ~ bs(x, df=5)"])
        ['model.formula="y ~ bs(x, df=5)"']
        >>> in_place(["model.formula=y~age", "model.prior.age.scale=1"])
        ['model.formula="y~age"', '+prior@model.prior.age=gaussian', 'model.prior.age.scale=1']
        >>> in_place(["data.dates.day=weeks"])
        ['+data.dates.day=weeks']

    Args:
        words: the overrides; without a formula among them only the names of columns are looked at.
    """
    words = [f"+{word}" if _COLUMN.match(word) else word for word in words]
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
            found.append(f"+prior@model.prior.{match[1]}={'half_normal' if match[1][:3] == 'sd_' else 'gaussian'}")
        found.append(_quoted(word) if _FORMULA.match(word) else word)
    return found


def _known() -> set[str]:
    """The priors that the file of `model=regression` names."""
    text = (paths.built_in() / "conf" / "model" / "regression.yaml").read_text()
    return set(re.findall(r"/prior@prior\.(\w+):", text))


def _quoted(word: str) -> str:
    """`model.formula=y ~ x` with quotes, where it has none."""
    key, _, value = word.partition("=")
    if "~" not in value or value[:1] in ("'", '"', "$"):
        return word
    return f"{key}={QuotedString(value, Quote.single if '"' in value else Quote.double).with_quotes()}"
