"""The reference of the site names every word, key, check and verb; the links of the README lead somewhere."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from credo.cli.flags import VERBS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import reference

        return dict(reference.pages())
    finally:
        sys.path.pop(0)


def test_every_word_of_a_group_and_every_key_of_it_is_named(pages: dict[str, str]) -> None:
    missing = []
    for file in sorted((ROOT / "conf").glob("*/*.yaml")):
        group = file.parent.name
        if group == "hydra":
            continue
        text = pages[f"configuration/{group}"]
        keys = [key for key in yaml.safe_load(file.read_text()) or {} if key not in ("defaults", "_target_")]
        named = [file.stem, *keys]
        missing += [
            f"{group}={file.stem} {name}" for name in named if not re.search(rf"`[\w.@/=]*\b{name}[\w.]*`", text)
        ]
    assert not missing


def test_every_key_outside_the_groups_is_named(pages: dict[str, str]) -> None:
    together = "\n".join(pages.values())
    keys = [
        key for key in yaml.safe_load((ROOT / "conf" / "config.yaml").read_text()) if key not in ("defaults", "hydra")
    ]
    assert [key for key in keys if f"`{key}" not in together] == []


def test_every_check_is_named(pages: dict[str, str]) -> None:
    checks = [file.stem for file in (ROOT / "conf" / "diagnostics" / "check").glob("*.yaml")]
    assert checks
    assert [check for check in checks if f"`{check}`" not in pages["checks"]] == []


def test_every_verb_is_named(pages: dict[str, str]) -> None:
    assert [verb for verb in VERBS if f"credo {verb}" not in pages["command"]] == []


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
