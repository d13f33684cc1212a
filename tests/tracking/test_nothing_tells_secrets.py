"""A password in `tracking.uri` is in no file of a run, on no page, in no record, and not on the screen."""

from pathlib import Path

import pytest

from console import Said, credo
from credo.errors import ConfigError
from credo.tracking import outbox
from credo.tracking.mlflow import store
from registry import few

AWAY = "http://me:hush@127.0.0.1:1/?token=hush"
SHORT = ("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), "device.compilation_cache=null")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A run whose server is away, so that its folder keeps what it would have been told."""
    folder = tmp_path_factory.mktemp("secret")
    word = "hydra.job.env_set.MLFLOW_TRACKING_TOKEN=hush"
    return folder, credo(*SHORT, f"tracking.uri='{AWAY}'", f"+{word}", "hydra.run.dir=run", cwd=folder)


def telling(folder: Path, where: str) -> list[Path]:
    return [file for file in folder.glob(where) if file.is_file() and b"hush" in file.read_bytes()]


def test_no_file_and_no_word_tells_it(ran: tuple[Path, Said]) -> None:
    folder, said = ran
    assert said.code == 0, said
    assert "hush" not in said.out + said.err
    assert "credo sync" in said.out
    assert (folder / "run" / outbox.FILE).exists()
    assert "Next:" in said.out
    assert not telling(folder, "run/*")
    assert not telling(folder, "run/[!.]*/**/*")


def test_the_configuration_that_is_kept_does_not_tell_it(ran: tuple[Path, Said]) -> None:
    assert not telling(ran[0], "run/.hydra/*")


def test_sync_asks_the_environment(ran: tuple[Path, Said], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = ran
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    said = credo("sync", "run", cwd=folder)
    assert said.code == 1
    assert "the password of this address is not kept in files; set the environment variable" in said.err
    assert "tracking.uri=http://***@127.0.0.1:1/?token=***" in said.err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    told = outbox.read(folder / "run")
    assert told is not None
    told.close()
    assert store.locate(told.head.uri, folder).uri == AWAY


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:hu/sh@127.0.0.1:1",
        "http://me:hu@sh@127.0.0.1:1",
        "postgresql://me:hush@127.0.0.1:1/db",
        "mysql://me:hu/sh@127.0.0.1:1/db",
        "nothing://me:hush@127.0.0.1",
        "http://?token=hush",
        "http://me:hush@[x",
    ],
)
def test_no_refusal_tells_it(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        connect(uri, tmp_path)
    assert "hu" not in str(error.value).replace("http", ""), str(error.value)


def connect(uri: str, folder: Path) -> None:
    place = store.locate(uri, folder)
    with store.explained(place):
        store.connect(place).search_experiments()


@pytest.mark.parametrize("password", ["hush", 'hu"sh', "hu'sh", "hu sh", "hu,sh", "hu@sh", "hu[sh", r"hu\sh"])
def test_an_address_that_needs_quotes_is_explained_without_its_password(password: str, tmp_path: Path) -> None:
    said = credo(*SHORT, f"tracking.uri=http://me:{password}@[bad", cwd=tmp_path)
    assert said.code == 2
    assert "hu" not in said.err.replace("http", "")
    advice = """type it as 'tracking.uri="http://***@[bad"'"""
    assert said.err == f"credo: tracking.uri=http://***@[bad: some of its characters need quotes; {advice}\n"


@pytest.mark.parametrize("words", [("http://me:hush@host",), ("tracking.uri=http://me:hush@a,http://me:hush@b",)])
def test_a_word_that_sets_nothing_is_explained_without_its_password(words: tuple[str, ...], tmp_path: Path) -> None:
    said = credo(*SHORT, *words, cwd=tmp_path)
    assert said.code == 2
    assert "hush" not in said.err
    assert "; credo --help" in said.err or "need -m, as in credo -m" in said.err
