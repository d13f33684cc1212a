"""A console for names and readers that may do anything."""

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from credo.escape import visible

STYLES = {"passed": "green", "failed": "red", "not checked": "yellow", "note": "cyan"}
"""Of a check or a verdict, by its status."""


class Screen(Console):
    """A console that shows control characters in names, and whose reader may go, as in `credo | head`.

    The run goes on then, and where the disk is full, and says no more there.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render; a terminal would obey control characters that a name has."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError:  # Rich knows of broken pipes alone
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on; Rich would end the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
