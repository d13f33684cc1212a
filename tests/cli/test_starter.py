import importlib.util
import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from hydra.plugins.config_source import ConfigSource
from omegaconf import OmegaConf

from credo.cli.starter import create
from credo.errors import ConfigError


def test_writes_the_files_that_it_tells_of(tmp_path):
    written = create(tmp_path / "new" / "folder")
    found = {path for path in (tmp_path / "new" / "folder").rglob("*") if path.is_file()}
    assert set(written) == found
    assert {path.name for path in written} == {
        "README.md",
        ".gitignore",
        "my_model.py",
        "my_model.yaml",
        "made_up_doses.json",
        "my_experiment.yaml",
    }


def test_joins_a_folder_with_other_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    create(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["my_model.py", "conf", "experiments/my_experiment.yaml"])
def test_overwrites_nothing_and_writes_nothing_then(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(
        ConfigError, match=f"credo init: .*{name} exists already and is not overwritten; choose an empty"
    ):
        create(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "here").write_text("mine")
    with pytest.raises(ConfigError, match="here exists already"):
        create(tmp_path / "here")
    with pytest.raises(ConfigError, match=r"credo init: cannot write to .*here/below"):
        create(tmp_path / "here" / "below")


def test_the_configuration_points_to_the_files(tmp_path):
    create(tmp_path)
    experiment = (tmp_path / "experiments" / "my_experiment.yaml").read_text()
    assert ConfigSource._get_header_dict(experiment) == {"package": "_global_"}
    assert (tmp_path / OmegaConf.create(experiment).data.path).is_file()
    preset = OmegaConf.load(tmp_path / "conf" / "model" / "my_model.yaml")
    module, function = preset.function.split(":")
    assert f"def {function}(" in (tmp_path / f"{module}.py").read_text()


def test_the_model_takes_the_data_and_gives_it_a_finite_density(tmp_path):
    from numpyro import handlers
    from numpyro.infer.util import log_density

    create(tmp_path)
    spec = importlib.util.spec_from_file_location("my_model", tmp_path / "my_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = {name: np.asarray(v) for name, v in json.loads((tmp_path / "data/made_up_doses.json").read_text()).items()}
    assert list(data) == list(inspect.signature(module.model).parameters)
    assert (data["died"] <= data["animals"]).all()
    density, trace = log_density(module.model, (), data, {"midpoint": 0.4, "slope": 1.5})
    assert np.isfinite(density)
    assert trace["died"]["is_observed"]
    del data["died"]
    predicted = handlers.trace(handlers.seed(module.model, 0)).get_trace(**data)["died"]["value"]
    assert predicted.shape == data["animals"].shape


def test_it_costs_no_import_of_jax(tmp_path):
    code = (
        "import sys, pathlib; from credo.cli.starter import create; create(pathlib.Path(sys.argv[1]));"
        "sys.exit(any(name in sys.modules for name in ('jax', 'xarray', 'hydra')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0  # noqa: S603 - our own code
