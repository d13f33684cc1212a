"""The two ways in which an experiment ends early, each carrying one sentence for the person who asked for it.

A sentence names the configuration key, what was expected, what came, and what to do.
"""

EXIT_CODES = {
    0: "the run ended, and its verdict is printed",
    1: "the run failed, and is recorded as FAILED",
    2: "the configuration is wrong, and nothing is left behind",
    3: "the verdict is failed, and diagnostics.gate=error",
    130: "the run was interrupted, and credo resume continues it",
}
"""What the exit code of the command says; that of a sweep says how many jobs failed, up to 100."""


class CredoError(Exception):
    """An error that is explained by its message alone; no traceback is shown for it."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(CredoError):
    """The configuration asks for something impossible. Raised before anything compiles or is logged (exit code 2)."""

    exit_code = 2


class RunError(CredoError):
    """The run started and could not be finished (exit code 1)."""


class PrunedError(CredoError):
    """A search saw that this run would not be the best, and ended it; no fault of the run."""

    exit_code = 0


class SweepError(CredoError):
    """Jobs of a sweep failed; the exit code says how many, up to a hundred."""

    def __init__(self, message: str, failed: int):
        super().__init__(message)
        self.exit_code = min(failed, 100)


class Interrupted(BaseException):
    """A signal stopped the run (SIGINT, SIGTERM, SIGHUP); a `BaseException`: no handler of errors swallows it."""

    exit_code = 130


def shortened(text: str, most: int = 300) -> str:
    """A text of at most so many characters, that ends with a sentence, or with a word and an ellipsis."""
    if len(text) <= most:
        return text
    end = text.rfind(". ", 0, most)
    return text[: end + 1] if end > most // 3 else f"{text[: text.rfind(' ', 0, most)]} …"
