"""Folders and platforms that cannot be are refused in one sentence."""

from pathlib import Path

from console import credo, credo_process

WORDS = ("data=coin_flips", "model=bernoulli", "inference=map", "report=none", "tracking=none")


def test_a_folder_with_a_name_too_long(tmp_path: Path) -> None:
    said = credo(*WORDS, f"hydra.run.dir={tmp_path / ('a' * 300)}", cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith("credo: hydra.run.dir=")
    assert "this folder cannot be made, since file name too long" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_platform_that_is_not_there(tmp_path: Path) -> None:
    for platform in ("cuda", "tpu", "bogus"):
        said = credo_process(*WORDS, cwd=tmp_path, JAX_PLATFORMS=platform)
        assert said.code == 2, said.err
        assert f"JAX_PLATFORMS={platform}" in said.err
        assert len(said.err.splitlines()) == 1, said.err
