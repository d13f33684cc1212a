"""The tutorial of the site runs, cell by cell, and says what is true."""

import re
import subprocess
from pathlib import Path

from console import PYTHON

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


def test_all_of_its_cells_run(tmp_path: Path) -> None:
    cells = re.findall(r"```\{code-cell\} python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(cells) >= 10
    checks = (
        'assert run.verdict.status == mine.verdict.status == "passed"',
        "found = mine.summary",
        'assert all(found.loc[name, "q5"] < true < found.loc[name, "q95"] for name, true in (("a", 0.3), ("b", 0.5)))',
        "assert len(sweep.runs) == 3",
    )
    (tmp_path / "cells.py").write_text("\n".join([*cells, *checks]), encoding="utf-8")
    said = subprocess.run([PYTHON, "cells.py"], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S603
    assert said.returncode == 0, said.stderr
    assert "inference.drawz: there is no such key" in said.stdout
