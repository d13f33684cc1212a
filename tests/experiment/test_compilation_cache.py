"""A folder for compiled programs that cannot be used costs time and one sentence, never the run."""

import logging
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from credo.errors import ConfigError
from credo.experiment import device


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Sentences that are told once are told anew."""
    device._warn_unkept.cache_clear()
    device._warn_broken.cache_clear()


def fake() -> Any:
    """A JAX whose configuration nobody reads."""
    return SimpleNamespace(config=MagicMock())


@pytest.mark.parametrize("place", ["file/programs", "file", "/proc/programs"])
def test_an_impossible_folder_is_told_once(place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    jax = fake()
    with caplog.at_level(logging.WARNING, "credo"):
        for _ in range(2):
            device._keep_programs(jax, str(tmp_path / place))
    (record,) = caplog.records
    assert "programs cannot be kept there (" in record.getMessage()
    jax.config.update.assert_not_called()


def test_a_possible_folder_is_left_to_jax(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jax = fake()
    device._keep_programs(jax, str(tmp_path / "new" / "programs"))
    jax.config.update.assert_any_call("jax_compilation_cache_dir", str(tmp_path / "new" / "programs"))
    assert (list(tmp_path.iterdir()), caplog.records) == ([], [])


def test_an_empty_word_is_no_folder() -> None:
    with pytest.raises(ConfigError, match=r"^device\.compilation_cache: expected a folder or null, but got nothing"):
        device._keep_programs(fake(), "")


@pytest.mark.parametrize(("verb", "said"), [("reading", "cannot be read"), ("writing", "cannot be written")])
def test_thirty_warnings_are_one_sentence(
    verb: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[str] = []
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "credo"):
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: shown.append(str(message))
        device._warn_once(tmp_path)
        device._warn_once(tmp_path)
        for program in range(30):
            warnings.warn(f"Error {verb} persistent compilation cache entry for 'jit_{program}': EOF", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    (record,) = caplog.records
    assert said in record.getMessage()
    assert shown == ["something else"]
