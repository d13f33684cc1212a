"""The console command. It hears signals from here on, since what else it imports takes a second."""

import atexit
import os
import sys
import time

from credo.errors import ConfigError, Interrupted
from credo.experiment import signals


def main() -> None:
    """Run the command, and exit with its code."""
    began = time.monotonic()
    _open_streams()
    signals.leaving()
    ended: list[int] = []
    atexit.register(_leave, ended)  # the first of all, which is called last
    try:
        from credo.cli import main as cli

        code = cli.command(sys.argv[1:], began)
    except (KeyboardInterrupt, Interrupted) as error:  # just before the command hears it, or once more
        sys.stderr.write(f"credo: {error or 'interrupted'}\n")
        code = Interrupted.exit_code
    except Exception as error:
        from credo.config.shadows import shadowing

        if (sentence := shadowing(error)) is None:
            raise
        sys.stderr.write(f"credo: {sentence}\n")
        code = ConfigError.exit_code
    signals.leaving(code)
    ended.append(code)
    sys.exit(code)


def _leave(ended: list[int]) -> None:
    """End the process of a command that is over; for Python to take down what was loaded takes up to a second."""
    if ended and "omegaconf" in sys.modules:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):  # Python says so itself
            return
        os._exit(ended[0])


def _open_streams() -> None:
    """Lead standard streams that are closed, as under a daemon, to nowhere, so that no file gets their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115 - a number


if __name__ == "__main__":
    main()
