"""What is proposed for a word or an option that there is not can be typed, and the nearest name is there."""

import pytest
from hydra import compose, initialize_config_dir

from credo.config import meant, paths, schema, sources
from credo.config.nearest import nearest


@pytest.mark.parametrize("typed", meant.ELSEWHERE)
def test_what_is_proposed_composes_and_what_was_typed_does_not(typed: str) -> None:
    group, _, option = typed.partition("=")
    assert paths.of_word(group, option) is None
    assert meant.by_option(group, option) == meant.ELSEWHERE[typed]
    schema.register()
    sources.register()
    with initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
        compose("config", meant.ELSEWHERE[typed].split())


@pytest.mark.parametrize(
    ("name", "known", "advice"),
    [
        ("age", ["ward", "Age (years)"], "did you mean 'Age (years)'?"),
        ("SEX", ["ward", "sex"], "did you mean 'sex'?"),
        ("zzz", list("abcdefghijklm"), "expected one of " + ", ".join(map(repr, "abcdefghijklm"))),
        ("zzz", list("abcdefghijklmn"), "expected one of " + ", ".join(map(repr, "abcdefghijkl")) + " and 2 more"),
        ("zzz", [], "there is none"),
    ],
)
def test_the_nearest_name(name: str, known: list[str], advice: str) -> None:
    assert nearest(name, known) == advice
