"""What a run proposes next can be run."""

from pathlib import Path

from console import QUIET, credo


def proposed(*words: str, cwd: Path) -> str:
    said = credo(*words, *QUIET, "inference.chains=2", "inference.warmup=20", "inference.draws=20", cwd=cwd)
    assert "Next:" in said.out, said.err
    return next((line for line in said.out.splitlines() if "inference=" in line and " -m " in line), "")


def test_a_random_walk_is_for_few_latents(tmp_path: Path) -> None:
    assert "inference=map,mh" in proposed("experiment=coin_flips", cwd=tmp_path)
    many = proposed("experiment=breast_cancer", cwd=tmp_path)
    assert "inference=map" in many
    assert "mh" not in many


def test_a_mode_is_not_proposed_where_z_is_intractable(tmp_path: Path) -> None:
    words = ("experiment=ising", "inference=exchange")
    assert "map" in proposed(*words, cwd=tmp_path)
    assert not proposed(*words, "energy.shape=[20,20]", cwd=tmp_path)
