"""Folders and platforms that cannot be are refused in one sentence."""

import subprocess
from pathlib import Path

from console import PYTHON, credo, credo_process

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


def test_a_folder_where_another_process_runs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    code = (
        "from pathlib import Path; from credo.runs import lock\n"
        "with lock.held(Path('run')): print(1, flush=True); input()"
    )
    with subprocess.Popen([PYTHON, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: S603 - our own code
        assert holder.stdout is not None
        holder.stdout.readline()
        said = credo(*WORDS, "hydra.run.dir=run", cwd=tmp_path)
        holder.communicate(b"\n")
    assert said.code == 2
    assert f"the run goes on in process {holder.pid}" in said.err


def test_counts_that_no_machine_counts(tmp_path: Path) -> None:
    for key in ("warmup", "draws"):
        said = credo(*WORDS, "inference=mh", f"inference.{key}=9000000000000000000", cwd=tmp_path)
        assert said.code == 2
        assert said.err.startswith(f"credo: inference.{key}: expected at most 2^53 steps")


def test_a_word_where_a_part_stands(tmp_path: Path) -> None:
    words = ("model=ebm", "data=two_moons", "inference=mle", "training=pcd", "energy=quadratic")
    for part in ("sampler", "energy"):
        said = credo(*words, f"model.{part}=xxxx", *WORDS[3:], cwd=tmp_path)
        assert said.code == 2, said.err
        assert f"{part}: expected " in said.err
        assert f"but got 'xxxx'; choose one of its group, as in {part}=" in said.err
