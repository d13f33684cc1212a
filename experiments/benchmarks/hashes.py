"""Whether the draws are those of an earlier commit, to the bit, on this machine; writes `hashes.md`.

    make hashes BASE=795b719
    python experiments/benchmarks/hashes.py 795b719 ising rbm   (some of the runs, without writing the table)

Every experiment, and every method and training on small data, runs by the code of both commits: by that of `BASE` in a
worktree of its own, with the packages that are installed now. Chains and trainings are short: what one step does is
what is compared. XLA compiles for the processor that it finds, so hashes of two machines cannot be compared.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
SECONDS = 1800

QUIET = "tracking=none report=none"
CHAINS = "inference.chains=2 inference.warmup=100 inference.draws=100"
POINT = "inference.starts=2 inference.steps=200"
TRAINED = "training.epochs=5"
MOONS = "data=two_moons data.rows=200 model=ebm inference=mle training.epochs=5"
LATTICE = "data=synthetic data.rows=20 model=ebm energy.shape=[3,3]"
THREE = "data=inline data.values=[1.0,2.0,4.0]"

UCI = ROOT.parent / "shared" / "reference" / "uci"

SHORT = {
    "breast_cancer": CHAINS,
    "coin_flips": CHAINS,
    "diabetes": CHAINS,
    "digits": f"{TRAINED} training.members=2 data.rows=200",
    "ebm_digits": f"{TRAINED} data.rows=200",
    "ebm_moons": f"{TRAINED} data.rows=1000",
    "ebm_regression": TRAINED,
    "eight_schools": CHAINS,
    "eight_schools_centred": CHAINS,
    "eight_schools_pooled": CHAINS,
    "eight_schools_unpooled": CHAINS,
    "gaussian_mixture": "inference.thinning=2",
    "ising": CHAINS,
    "mdn_bimodal": f"{CHAINS} {TRAINED}",
    "mdn_concrete": f"{TRAINED} training.members=2 data.path={UCI}/concrete data.split=3",
    "nile": CHAINS,
    "nile_process": CHAINS,
    "old_faithful": CHAINS,
    "old_faithful_chain": CHAINS,
    "rbm": f"{TRAINED} data.rows=200",
    "remission": CHAINS,
    "spike_and_slab": f"{CHAINS} inference.thinning=2",
    "two_moons": "inference.thinning=10",
}
"""What makes the experiments short; each of `experiments` has to be here."""

OTHERS = {
    **{f"schools by {method}": f"inference={method} {CHAINS}" for method in ("nuts", "hmc", "mh")},
    "schools by nuts, dense": f"inference=nuts inference.metric=dense {CHAINS}",
    "schools by nuts, jitter": f"inference=nuts inference.start=jitter {CHAINS}",
    "flips by map": f"data=coin_flips model=bernoulli inference=map {POINT}",
    "flips by mle": f"data=coin_flips model=bernoulli inference=mle {POINT}",
    "schools by map, adam": f"inference=map inference.optimiser=adam {POINT}",
    "ising by exchange": f"{LATTICE} energy=ising inference=exchange {CHAINS}",
    "regression by nuts": f"data=diabetes model=regression data.standardise=true {CHAINS}",
    "conjugate by nuts": f"{THREE} model=normal_inverse_gamma {CHAINS}",
    "gaussian by mh": f"{THREE} model=gaussian inference=mh {CHAINS}",
    "uniform by mh": f"{THREE} model=uniform inference=mh {CHAINS}",
    "network by map": f"data=branches model=mdn inference=map {TRAINED}",
    **{
        f"moons by {training}": f"{MOONS} training={training}"
        for training in ("cd", "exact", "langevin", "nce", "pcd", "score_matching")
    },
    **{
        f"moons by pcd, {sampler}": f"{MOONS} training=pcd sampler={sampler}"
        for sampler in ("hmc", "langevin", "mala", "mh", "nuts", "tempering")
    },
    "critic by infonce": f"{TRAINED} data=correlated_gaussians data.rows=200 model=ebm energy=critic training=infonce "
    "inference=mle",
    "rbm by cd, gibbs": f"{TRAINED} data=digits data.scale=binary data.rows=100 model=ebm energy=rbm training=cd "
    "sampler=gibbs inference=mle training.validation=0",
    "potts by nuts": f"{LATTICE} energy=potts inference=nuts {CHAINS}",
    "jobs of a compiled sweep": f"-m hydra/launcher=compiled seed=1,2 inference=mh {CHAINS}",
}
"""Words that are typed, by what they are called."""


def main(base: str, chosen: list[str]) -> None:
    """Run everything by both, and print the table; exit with 1 where draws differ."""
    if missing := {file.stem for file in (ROOT / "experiments").glob("*.yaml")} ^ set(SHORT):
        sys.exit(f"hashes.py: SHORT and experiments/ differ in {', '.join(sorted(missing))}")
    runs = {name: f"experiment={name} {short}" for name, short in SHORT.items()} | OTHERS
    runs = {name: words for name, words in runs.items() if not chosen or name in chosen}
    lines = ["| run | words | draws |", "| --- | --- | --- |"]
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        old = Path(scratch) / "base"
        git("worktree", "add", "-q", "--detach", str(old), base)
        try:
            for name, words in runs.items():
                before, after = (hashes(words, source / "src", Path(scratch)) for source in (old, ROOT))
                same = before == after and not any(one.startswith("none") for one in before)
                differ += not same
                what = "the same" if same else f"differ: {', '.join(before)} and {', '.join(after)}"
                lines.append(f"| {name} | `{words.replace(str(ROOT.parent), '..')}` | {what} |")
                print(lines[-1], flush=True)  # noqa: T201 - a script's output
        finally:
            git("worktree", "remove", "--force", str(old))
    print(f"{len(runs) - differ} of {len(runs)} runs have the same draws")  # noqa: T201
    if not chosen:
        made = f"{datetime.now(UTC):%Y-%m-%d}; `make hashes BASE={base}`; all with {QUIET}."
        text = "\n".join([f"# Draws, held against {base}", "", made, "", *lines])
        (HERE / "hashes.md").write_text(f"{text}\n", encoding="utf-8")
    sys.exit(1 if differ else 0)


def git(*words: str) -> None:
    """Run git in the repository."""
    subprocess.run(["/usr/bin/env", "git", "-C", str(ROOT), *words], check=True)  # noqa: S603 - our own words


def hashes(words: str, source: Path, scratch: Path) -> list[str]:
    """The hashes of the draws that a command leaves, by the code in `source`; why there are none, otherwise."""
    module = "credo" if (source / "credo" / "__main__.py").exists() else "credo.cli"  # before there was one
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        ran = subprocess.run(  # noqa: S603 - our own command
            [BIN / "python", "-m", module, *shlex.split(words), *QUIET.split()],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        found = list(found_in(Path(folder)))
        return found or [f"none, {' '.join(ran.stderr.split()[-40:])}"]


def found_in(folder: Path) -> Iterator[str]:
    """The hash of every run's draws, by the run's folder."""
    for file in sorted(folder.rglob("provenance.json")):
        yield json.loads(file.read_text())["draws_hash"][:12]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("hashes.py: expected a commit to hold the draws against, as in hashes.py 795b719")
    main(sys.argv[1], sys.argv[2:])
