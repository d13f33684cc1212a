"""Numbers as people write them: no more digits than are known, thousands separated."""

import math

UNKNOWN = "–"
MOST_PLACES = 6


def number(value: float | None, digits: int = 3) -> str:
    """A number in at most `digits` significant digits; whole numbers in full: `1,234`, `0.042`, `1.2e-7`."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_stripped(mantissa)}e{int(exponent)}"
    return _stripped(f"{value:,.{max(digits - 1 - magnitude, 0)}f}")


def fixed(value: float, places: int | None) -> str:
    """A number with a given number of decimal places; `None` leaves the choice to `number`."""
    if places is None or not math.isfinite(value):
        return number(value)
    rounded = round(value, places) + 0.0  # no -0.0
    return f"{rounded:,.{max(places, 0)}f}"


def places(error: float, digits: int = 1) -> int | None:
    """The decimal places of a number known up to `error`: its last one is the `digits`-th of the error.

    Returns:
        `None` where the error says nothing: NaN, zero, or too small or large for places.
    """
    if not math.isfinite(error) or error <= 0:
        return None
    chosen = digits - 1 - math.floor(math.log10(error))
    return chosen if abs(chosen) <= MOST_PLACES else None


def seconds(value: float) -> str:
    """A duration: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`."""
    if value < 10:
        return f"{value:.2g} s" if value >= 0.1 else f"{value:.2f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def counted(count: int, noun: str) -> str:
    """`1 check`, `1,200 checks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
