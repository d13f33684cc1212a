"""What numbers a setting may be, declared where the setting is: `scale: Positive` on a field of a part's own class.

`config.numbers` holds every configuration to these declarations, for a user's own parts as for the built-in ones. Where
nothing is declared a number is finite. A NaN is no number anywhere.
"""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any


@dataclass(frozen=True)
class Range:
    """Numbers between two ends.

    Example:
        >>> 0.5 in Range(least=0, most=1), 2 in Range(least=0, most=1), float("nan") in Range()
        (True, False, False)

    Attributes:
        least: the lower end.
        most: the upper end.
        above: whether the lower end itself is left out.
        below: whether the upper end itself is left out.
        whole: whether only whole numbers are meant.
        infinite: whether infinity is meant, too.
    """

    least: float = -inf
    most: float = inf
    above: bool = False
    below: bool = False
    whole: bool = False
    infinite: bool = False

    def __contains__(self, value: Any) -> bool:
        """Whether a value is one of these numbers."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if abs(value) == inf and not self.infinite:
            return False
        high_enough = value > self.least if self.above else value >= self.least
        return high_enough and (value < self.most if self.below else value <= self.most)

    def words(self, *, several: bool = False, finite: bool = False) -> str:
        """These numbers in words: `a whole number of at least 1`.

        Example:
            >>> Range(least=0, most=1).words(), count(2).words()
            ('a number from 0 to 1', 'a whole number of at least 2')

        Args:
            several: whether more than one is meant.
            finite: whether to say that infinity is none of them.
        """
        low, high = self.least != -inf, self.most != inf
        positive = low and not high and self.above and self.least == 0
        marks = {"finite": finite, "positive": positive, "whole": self.whole}
        noun = " ".join([*(word for word, holds in marks.items() if holds), "numbers" if several else "number"])
        noun = noun if several else f"a {noun}"
        if positive:
            return noun
        least, most = f"{self.least:.17g}", f"{self.most:.17g}"
        if low and high and self.above == self.below:
            return f"{noun} between {least} and {most}" if self.above else f"{noun} from {least} to {most}"
        ends = [f"above {least}" if self.above else f"of at least {least}"] if low else []
        ends += [f"below {most}" if self.below else f"of at most {most}"] if high else []
        return " ".join([noun, " and ".join(ends)]).strip()


LARGEST = 2**63 - 1
"""The largest whole number of 64 bits, which no whole number of a configuration exceeds."""


def count(least: int = 1, most: float = inf) -> Range:
    """Whole numbers between two ends, as `Annotated[int, ...]` declares them."""
    return Range(least, most, whole=True)


Finite = Annotated[float, Range()]
Positive = Annotated[float, Range(least=0, above=True)]
NonNegative = Annotated[float, Range(least=0)]
Share = Annotated[float, Range(least=0, most=1)]
"""From nothing (0) to all (1)."""
Part = Annotated[float, Range(least=0, most=1, below=True)]
"""From nothing (0) to less than all."""
Between = Annotated[float, Range(least=0, most=1, above=True, below=True)]
"""More than nothing and less than all."""
Endless = Annotated[float, Range(infinite=True)]
"""A number, or infinity."""
Count = Annotated[int, count(1)]
"""A whole number of at least 1."""
Steps = Annotated[int, count(1, 1_000_000)]
"""Steps of a loop that runs to its end before anything else is looked at, signals included."""
Natural = Annotated[int, count(0)]
"""A whole number of at least 0."""
Several = Annotated[int, count(2)]
"""A whole number of at least 2."""
