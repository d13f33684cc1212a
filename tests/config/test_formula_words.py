"""Names of columns as people have them: typed as they stand in the file, they reach the source as a mapping."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from console import QUIET, credo
from credo.config import messages
from credo.python.run import compose
from credo.python.words import value

NAMES = {"Age (years)": "age", "Recovered?": "recovered", "Größe, in cm": "height", "It's #1": "first"}


@pytest.mark.parametrize(
    "typed",
    [
        '{Age (years): age, Recovered?: recovered, "Größe, in cm": height, "It\'s #1": first}',
        value("", "data.rename", NAMES),
    ],
)
def test_columns_are_renamed_whatever_they_are_called(typed):
    config = compose(f"data.rename={typed}", "data=csv", "data.path=a.csv", "model=regression", "data.target=y")
    config = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    messages.refuse(config)
    assert config.data.rename == NAMES


def test_what_is_no_mapping_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("y,x\n1,2\n2,3\n")
    words = ("data=csv", "data.path=a.csv", "data.target=y", "model=regression", *QUIET)
    said = credo(*words, "data.rename={Age (years)}", cwd=tmp_path)
    sentence = "data.rename: expected names and words, as in 'data.rename={old: new}', but got {Age (years)}"
    assert (said.code, said.err) == (2, f"credo: {sentence}\n")
