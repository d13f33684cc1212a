"""`--json`: the answer of a command is one JSON object on stdout, which says what to change."""

import json
from pathlib import Path

from console import QUIET, credo

COINS = ("data=coin_flips", "model=bernoulli", "inference=mh", *QUIET)


def test_a_run_that_fails_names_the_keys_to_change(tmp_path: Path) -> None:
    said = credo(*COINS, "inference.draws=60", "inference.warmup=60", "hydra.run.dir=run", "--json", cwd=tmp_path)
    found = json.loads(said.out)
    assert found["exit_code"] == said.code == 0
    assert found["status"] == "failed"
    assert found["places"]["verdict.json"].endswith("run/verdict.json")
    changes = [change for check in found["checks"] for change in check["changes"]]
    (draws,) = {change["value"] for change in changes if change["key"] == "inference.draws"}
    assert draws > 60
    assert found["summary"]["p"]["mean"] > 0


def test_a_sweep_has_an_answer_for_each_job(tmp_path: Path) -> None:
    said = credo("-m", "data=coin_flips", "model=bernoulli", "inference=map,mle", *QUIET, "--json", cwd=tmp_path)
    found = json.loads(said.out)
    assert found["exit_code"] == 0
    assert len(found["jobs"]) == 2


def test_a_mistake_is_one_object_with_the_sentence(tmp_path: Path) -> None:
    said = credo(*COINS, "inference.drawz=60", "--json", cwd=tmp_path)
    found = json.loads(said.out)
    assert found["exit_code"] == said.code == 2
    assert found["error"].startswith("inference.drawz: there is no such key")
