"""List the benchmarks, each with what it shows, or run one: `make benchmark NAME=uci`."""

import ast
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "experiments" / "benchmarks"


def shows(file: Path) -> str:
    """The first sentence of a benchmark's docstring, without the file that it writes."""
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return text.split("\n\n", 1)[0].replace("\n", " ").partition("; writes")[0].rstrip(".")


def main(name: str = "", *arguments: str) -> None:
    """Run the benchmark `name` with its own arguments, or print the list.

    Raises:
        SystemExit: No benchmark has this name.
    """
    files = {file.stem: file for file in sorted(FOLDER.glob("*.py"))}
    if name in files:
        os.execv(sys.executable, [sys.executable, str(files[name]), *arguments])  # noqa: S606 - our own script
    for stem, file in files.items():
        print(f"  {stem:20} {shows(file)}")  # noqa: T201 - the list is the output
    if name:
        sys.exit(f"NAME={name}: no benchmark has this name; use one of those above")


if __name__ == "__main__":
    main(*sys.argv[1:])
