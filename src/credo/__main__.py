"""The console command. It hears signals from here on, since what else it imports takes a second."""

import sys

from credo.errors import Interrupted
from credo.experiment import signals


def main() -> None:
    """Run the command, and exit with its code."""
    signals.leaving()
    from credo.cli import main as cli

    try:
        code = cli.command(sys.argv[1:])
    except (KeyboardInterrupt, Interrupted) as error:  # just before the command hears it, or once more
        sys.stderr.write(f"credo: {error or 'interrupted'}\n")
        code = Interrupted.exit_code
    signals.leaving(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
