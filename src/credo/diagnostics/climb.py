"""Which rung of `inference=auto` gave the answer, and why none before it did."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics import auto
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result


@dataclass(frozen=True)
class Climb:
    """A note of the climb; whether the answer is right the checks of the rung say."""

    of: ClassVar[Of] = of(groups=(auto.GROUP,))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Say how the answer was found."""
        climbed = result.tree[auto.GROUP].to_dataset()
        told = [
            f"{rung} {'passed' if verdict == 'passed' else f'{verdict} ({reason})'}"
            for rung, verdict, reason in zip(*(climbed[name].values for name in auto.COLUMNS), strict=True)
        ]
        story = f"The answer is that of {climbed.attrs['answer']}: {', '.join(told)}."
        return Check("climb", "note", None, None, story)
