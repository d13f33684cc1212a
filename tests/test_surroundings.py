"""What surrounds the command: files that take the names of packages, and variables that JAX's own parts read."""

from pathlib import Path

import pytest

from console import QUIET, credo, credo_process

SHORT = ("data=coin_flips", "model=bernoulli", "inference=map", *QUIET)


@pytest.mark.parametrize(
    ("name", "code", "what"),
    [
        ("hydra", "", "the package"),
        ("omegaconf", "", "the package"),
        ("numpy", "", "the package"),
        ("jax", "", "the package"),
        ("json", "", "Python's module"),
        ("random", "raise RuntimeError('mine')", "Python's module"),
    ],
)
def test_a_file_that_takes_the_name_of_a_package_is_named(name: str, code: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / f"{name}.py"
    file.write_text(code)
    said = credo_process(*SHORT, cwd=tmp_path, PYTHONPATH=str(file.parent))
    sentence = (
        f"credo: {file} has the name of {what} {name}, which credo needs, and Python finds it first; rename it, or"
    )
    assert (said.code, said.err) == (2, f"{sentence} unset PYTHONPATH\n")
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_a_file_of_such_a_name_in_the_folder_of_the_command_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("def model(y=None):\n    raise ValueError('no such dose')\n")
    (tmp_path / "y.json").write_text('{"y": [1.0]}')
    words = ("model=program", "model.function=statistics:model", "data=json", "data.path=y.json")
    said = credo(*words, *QUIET, cwd=tmp_path)
    sentence = "credo: model.function: running the model raised ValueError: no such dose (statistics.py, line 2)\n"
    assert (said.code, said.err) == (2, sentence)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--no_such_flag", "Unknown flag in XLA_FLAGS: --no_such_flag"),
        ("--xla_force_host_platform_device_count=two", "Couldn't interpret value two for flag xla_force_host"),
    ],
)
def test_a_flag_that_xla_refuses_is_a_sentence(flags: str, said: str, tmp_path: Path) -> None:
    came = credo_process(*SHORT, cwd=tmp_path, XLA_FLAGS=flags)
    assert came.code == 2
    assert came.err.startswith(f"credo: XLA_FLAGS={flags}: expected flags that XLA knows, but it says: {said}")
    assert came.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
