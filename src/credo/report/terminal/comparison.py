"""A comparison on the terminal: as many columns side by side as there is room for."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from credo.config.paths import near
from credo.report.comparison import words
from credo.report.comparison.compare import Comparison
from credo.report.comparison.words import Column
from credo.report.drawing.numbers import counted
from credo.report.terminal.screen import STYLES, Screen

BETWEEN = 2
MOST_LABEL, MOST_ROWS, MOST_DISTANCES = 36, 40, 8


def show(comparison: Comparison, files: Sequence[Path], screen: Screen | None = None) -> None:
    """Print the tables, what must be known of them, and where everything is."""
    screen = screen or Screen(highlight=False)
    screen.print()
    screen.print(Text(f"{comparison.headline}.", style="bold"))
    label = min(max(len(line.label) for line in comparison.lines), MOST_LABEL)
    for block in _blocks(comparison, screen.width - label):
        screen.print()
        screen.print(_grid(comparison, block, label))
    if far := words.distances(comparison):
        screen.print()
        screen.print(_distances(comparison.distances[0].first, far))
        if len(far) > MOST_DISTANCES:
            screen.print(Text(f"and {counted(len(far) - MOST_DISTANCES, 'more row')} in {files[0].name}", style="dim"))
    if (more := len(comparison.lines) - MOST_ROWS) > 0:
        screen.print(Text(f"and {counted(more, 'more line')} in {files[-1].name}", style="dim"))
    if comparison.notes:
        screen.print()
    for note in comparison.notes:
        lines = textwrap.wrap(note, screen.width - 2, break_on_hyphens=False)
        screen.print(Text.assemble(("! ", "yellow"), "\n  ".join(lines)))
    screen.print()
    for word, file in zip(("page", "table"), files, strict=True):
        screen.print(Text.assemble((f"{word:<8}", "dim"), str(near(file))), soft_wrap=True)


def _blocks(comparison: Comparison, room: int) -> list[list[Column]]:
    """The columns side by side: tables joined as long as they fit, and parted where one alone does not."""
    blocks: list[list[Column]] = []
    for one in words.tables(comparison):
        whole = sum(map(_width, one.columns)) <= room
        for part in [one.columns] if whole else [(column,) for column in one.columns]:
            if blocks and sum(map(_width, [*blocks[-1], *part])) <= room:
                blocks[-1].extend(part)
            else:
                blocks.append(list(part))
    return blocks


def _grid(comparison: Comparison, columns: Sequence[Column], label: int) -> Table:
    grid = Table(box=None, padding=(0, BETWEEN, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("", min_width=label, max_width=label, overflow="fold")
    for column in columns:
        grid.add_column(column.title, justify="left" if column.is_text else "right", overflow="fold")
    for place, line in enumerate(comparison.lines[:MOST_ROWS]):
        cells = [column.cells[place] for column in columns]
        if line.is_finished or any(cell.is_known for cell in cells):
            grid.add_row(Text(line.label), *[Text(cell.words, STYLES.get(cell.tone, "")) for cell in cells])
    return grid


def _distances(first: str, rows: Sequence[tuple[str, ...]]) -> Table:
    """How far the posteriors of the other lines are from the first one's."""
    grid = Table(box=None, padding=(0, BETWEEN, 0, 0), pad_edge=False, header_style="dim")
    for title in ("posterior of", "in", f"KL to {first} (nats)", "Wasserstein"):
        grid.add_column(title, justify="left" if title in ("posterior of", "in") else "right", overflow="fold")
    for row in rows[:MOST_DISTANCES]:
        grid.add_row(*map(Text, row))
    return grid


def _width(column: Column) -> int:
    return BETWEEN + max(len(column.title), *(len(cell.words) for cell in column.cells))
