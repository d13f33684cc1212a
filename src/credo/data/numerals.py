"""Numbers as they are written elsewhere: 1.234,5 or 1 234.5, which is text to whoever expects 1234.5."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from credo.config.messages import in_quotes

BLANKS = (" ", "\u00a0", "\u202f")
"""Blanks that stand between thousands; the last two do not break a line."""


@dataclass(frozen=True)
class Numerals:
    """How numbers are written.

    Attributes:
        decimal: before the fraction.
        thousands: between groups of three digits; `None` for nothing.
    """

    decimal: str = "."
    thousands: str | None = None

    def reads(self, text: str) -> bool:
        """Whether a text is a number that is written so."""
        point, mark = re.escape(self.decimal), "(?!)" if self.thousands is None else re.escape(self.thousands)
        whole = rf"(\d{{1,3}}({mark}\d{{3}})+|\d+)"
        return bool(re.fullmatch(rf"[+-]?({whole}({point}\d*)?|{point}\d+)(e[+-]?\d+)?", text.strip(), re.IGNORECASE))

    def number(self, text: str) -> float:
        """The number that a text is."""
        return float(text.replace(self.thousands or "", "").replace(self.decimal, "."))


ELSEWHERE = (
    Numerals(",", None),
    *(Numerals(".", mark) for mark in (",", "'", *BLANKS)),
    *(Numerals(",", mark) for mark in (".", "'", *BLANKS)),
)


def elsewhere(texts: Iterable[str]) -> list[Numerals]:
    """In which other ways of writing all of some texts are numbers, as far as these make a difference; mostly none."""
    every = list(texts)
    found = [way for way in ELSEWHERE if every and all(map(way.reads, every))]
    return [
        way
        for way in found
        if any(way.decimal in text for text in every) or way.decimal == "."
        if way.thousands is None or any(way.thousands in text for text in every)
    ]


def advice(column: pd.Series, *, is_text_file: bool) -> str:
    """What to do where a column holds numbers that are written in another way; empty where it does not.

    Args:
        column: as it was read.
        is_text_file: whether the configuration says how numbers are written in this file.
    """
    texts = [value for value in column.dropna() if isinstance(value, str)]
    ways = elsewhere(texts)
    if not ways or len(texts) < column.notna().sum():
        return ""
    if not is_text_file:
        return "write numbers in the file as numbers, such as 1234.5"
    odd = next(text for text in texts if not Numerals().reads(text))
    return " or ".join(f"type {_settings(way)} if it is {way.number(odd):.12g}" for way in ways)


def _settings(way: Numerals) -> str:
    """What to type, quoted for a shell."""
    marks = [("decimal", way.decimal)] if way.decimal != "." else []
    marks += [("thousands", way.thousands)] if way.thousands is not None else []
    return " ".join(in_quotes(f"data.{key}={mark}") for key, mark in marks)
