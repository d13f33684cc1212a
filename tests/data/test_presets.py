import dataclasses
from pathlib import Path

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from credo.config import paths, schema
from credo.data.base import Source
from registry import called

FOLDER = Path(__file__).parents[2] / "conf" / "data"


OPTIONS = sorted(file.stem for file in FOLDER.glob("*.yaml"))


def compose(option: str):
    preset = paths.settings("data", option)
    return OmegaConf.merge(OmegaConf.structured(schema.types("data", preset, set(preset))), preset)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_first_line_tells_how_to_call_it(option):
    assert (FOLDER / f"{option}.yaml").read_text().startswith(f"# credo data={option}")


@pytest.mark.parametrize("option", OPTIONS)
def test_preset_and_class_have_the_same_keys(option):
    config = compose(option)
    source = get_class(config._target_)
    assert {str(key) for key in config} - {"_target_"} == {field.name for field in dataclasses.fields(source)}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_first_line_gives_all_that_a_user_must_give(option):
    given = {word.partition("=")[0] for word in called(FOLDER / f"{option}.yaml")}
    assert {f"data.{key}" for key in OmegaConf.missing_keys(compose(option))} <= given


@pytest.mark.parametrize(
    "option",
    [one for one in OPTIONS if one != "synthetic" and not OmegaConf.missing_keys(compose(one))],  # it asks the model
)
def test_presets_that_want_nothing_load(option):
    source = instantiate(compose(option))
    assert isinstance(source, Source)
    assert "y" in source.load(None, 0)


def test_lists_from_the_command_line_arrive(tmp_path):
    inline = instantiate(OmegaConf.merge(compose("inline"), {"values": [1, 0.5, True]}))
    assert inline.load(None, 0)["y"].values.tolist() == [1.0, 0.5, 1.0]
    (tmp_path / "t.csv").write_text("y,a,b\n1,2,3\n4,5,6\n")
    given = {"path": str(tmp_path / "t.csv"), "target": "y", "features": ["b"]}
    dataset = instantiate(OmegaConf.merge(compose("csv"), given)).load(None, 0)
    assert dataset["feature"].values.tolist() == ["b"]
    given = {"path": str(tmp_path / "t.csv"), "target": ["y", "a"], "context": ["b"]}
    dataset = instantiate(OmegaConf.merge(compose("csv"), given)).load(None, 0)
    assert dataset["y"].values.tolist() == [[1, 2], [4, 5]]
    assert dataset["context"].values.tolist() == [[3], [6]]


def test_coin_flips_are_seven_heads_of_ten():
    values = instantiate(compose("coin_flips")).load(None, 0)["y"].values
    assert values.tolist() == [1, 1, 1, 0, 1, 0, 1, 1, 0, 1]
