"""How far a run is: a live line for each phase on stderr, or a plain line now and then."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from credo.diagnostics import metrics
from credo.report.drawing.numbers import number, seconds
from credo.report.terminal.screen import Screen

PHASES = {"warmup": "warm-up", "sampling": "sampling", "optimisation": "optimising", "tempering": "tempering"}

LONG = 1e6
"""From here on, a number has an exponent rather than decimal places."""

NARROW = 80
"""Columns of a terminal on which the bar is short, lest the news have no room."""

LINE_SHARE = 0.1
LINE_SECONDS = 3.0
"""Without a terminal, a line is printed when both this share of a phase and this time have passed since the last."""


class Progress:
    """How the inference is coming along; a context manager and a `inference.base.Listener`.

    On a terminal, one live line per phase; otherwise a plain line now and then. Everything goes to stderr.
    """

    def __init__(self, console: Console | None = None, since: float | None = None):
        """Write to `console` instead of stderr, with the time since a moment on the clock of `time.monotonic`."""
        self._console = console or Screen(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars = _bars(self._console)
        self._tasks: dict[str, TaskID] = {}
        self._compiling: TaskID | None = None
        self._known: dict[str, dict[str, float]] = {}  # by phase: not every block brings every number
        self._clock = time.monotonic() if since is None else since
        self._news = time.monotonic()  # of the last block
        self._line = ("", 0.0, 0.0)  # phase, share and time of the last plain line

    def __enter__(self) -> Self:
        """Start the display; the programs are compiled before the first news comes."""
        if self._live:
            self._bars.start()
            self._compiling = self._bars.add_task("compiling", total=None, count="", news="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display and leave its last state standing."""
        if self._live:
            self._drop_compiling()
            self._bars.stop()

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Show how far a phase is (see `inference.base.Listener`)."""
        known = self._known.setdefault(phase, {})
        known.update(numbers)
        if self._live:
            self._move(phase, done, total, known)
        else:
            self._print(phase, done, total, known)

    def _move(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        self._drop_compiling()
        if phase not in self._tasks:
            number = self._tasks[phase] = self._bars.add_task(PHASES.get(phase, phase), total=total, count="", news="")
            task = next(task for task in self._bars.tasks if task.id == number)
            task.start_time = self._news  # the programs were compiled since then
        self._news, count = time.monotonic(), f"{done:,}/{total:,}"
        self._bars.update(
            self._tasks[phase], completed=done, total=total, count=count, news=news(phase, numbers), refresh=True
        )

    def _drop_compiling(self) -> None:
        if self._compiling is not None:
            self._bars.remove_task(self._compiling)
            self._compiling = None

    def _print(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        now, share = time.monotonic(), done / max(total, 1)
        last_phase, last_share, last_time = self._line
        soon = share - last_share < LINE_SHARE or now - last_time < LINE_SECONDS
        if phase == last_phase and done < total and soon:
            return
        self._line = (phase, share, now)
        words = [
            f"{PHASES.get(phase, phase)} {done:,}/{total:,}",
            news(phase, numbers),
            f"after {seconds(now - self._clock)}",
        ]
        self._console.print(", ".join(filter(None, words)), markup=False, highlight=False, soft_wrap=True)


def making(since: float) -> Callable[[str], AbstractContextManager[None]]:
    """What tells on stderr that a part of the answer is being made, by the part's name, such as `leave-one-out`.

    On a terminal a line stands there meanwhile; otherwise one is printed for what took more than `LINE_SECONDS`.

    Args:
        since: when somebody began to wait, on the clock of `time.monotonic`.
    """
    console = Screen(stderr=True)

    @contextmanager
    def told(part: str) -> Iterator[None]:
        began = time.monotonic()
        if console.is_terminal and not console.is_dumb_terminal:
            with Bars(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True) as bars:
                bars.add_task(escape(part))
                yield
            return
        yield
        if (took := time.monotonic() - began) >= LINE_SECONDS:
            after = seconds(time.monotonic() - since)
            console.print(f"{part} in {seconds(took)}, after {after}", markup=False, highlight=False, soft_wrap=True)

    return told


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description:<10}", style="bold"),
        BarColumn(bar_width=10 if console.width > NARROW else 4),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[news]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True, min_width=5)),
        console=console,
        expand=True,
        refresh_per_second=4,
        redirect_stdout=sys.stdout.isatty(),  # what is piped stays in the pipe
    )


def news(phase: str, numbers: Mapping[str, float]) -> str:
    """What is worth knowing between two blocks, the most telling first: `3 divergent, R-hat 1.01, ESS 812`.

    That transitions diverge while the step size is still being found is no news.
    """
    known = {name: value for name, value in numbers.items() if math.isfinite(value) and metrics.is_news(name)}
    if phase == "warmup":
        known.pop("divergences", None)
    return ", ".join(_news(metrics.find(name), known[name]) for name in sorted(known, key=metrics.place))


def _news(metric: metrics.Metric, value: float) -> str:
    plain = metric.digits is not None and abs(value) < LONG
    text = f"{value:,.{metric.digits}f}" if plain else number(value, 2)
    if metric.name == "divergences":
        return f"{text} divergent"
    return f"{'validation ' if metric.name.endswith('_validation') else ''}{metric.title} {text}"
