"""The commands of the README and of the site's pages are ones that credo takes: words and keys compose, verbs exist."""

import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from console import credo
from credo.cli.complete import flags_of
from credo.cli.flags import VERBS, with_option
from credo.config import formula_words

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("howto/*.md")),
    *DOCS.glob("explanation/*.md"),
]
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELL = ("shell", "{run}")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def commands(page: Path) -> tuple[tuple[str, ...], ...]:
    """What a page types after `credo`, in blocks of a shell, indented blocks and lines of text, but for refusals."""
    text = page.read_text(encoding="utf-8")
    blocks = [body for _, kind, body in FENCE.findall(text) if kind.startswith(SHELL) and ":exit: 2" not in body]
    outside = FENCE.sub("", text)
    blocks.append("\n".join(line for line in outside.splitlines() if line.startswith("    ")))
    inline = [found for found in re.findall(r"`(credo [^`]+)`", outside) if "..." not in found]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    typed = [one.strip() for one in [*lines, *inline] if re.match(r"\s*credo \S", one)]
    return tuple(tuple(shlex.split(one.split(" && ")[0], comments=True)[1:]) for one in typed)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Folders with the files that each page shows."""
    return {page: _with_files(page, tmp_path_factory.mktemp(page.stem)) for page in PAGES}


def _with_files(page: Path, folder: Path) -> Path:
    for _, kind, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind.startswith("{file} "):
            place = folder / kind.removeprefix("{file} ")
            place.parent.mkdir(parents=True, exist_ok=True)
            if body:
                place.write_text(body, encoding="utf-8")
            else:
                shutil.copy(page.parent / place.name, place)
    return folder


def lines() -> Iterator[object]:
    seen = set()
    for page in PAGES:
        own = page.read_text(encoding="utf-8").count("{file} conf/") > 0
        for words in commands(page):
            if (key := (page if own else None, words)) not in seen:
                seen.add(key)
                yield pytest.param(page, words, id=f"{page.stem}: {shlex.join(words)[:90]}")


@pytest.mark.parametrize(("page", "words"), [*lines()])
def test_a_command_is_one_that_credo_takes(page: Path, words: tuple[str, ...], folders: dict[Path, Path]) -> None:
    verb = words[0] if words[0] in VERBS else None
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    if verb not in (None, "calibrate"):
        assert flags <= {flag.partition("=")[0] for flag in flags_of(str(verb))}
        return
    assert flags <= {"--json", "--dry-run", "--cfg", "--help"}
    if words[0] == "-sc":
        return  # Hydra's own, which a test of completion asks
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    if verb:
        overrides.append("+calibrate=standard")
    if "-m" in words:
        overrides = [first(word) for word in formula_words.in_place(with_option(overrides, "standard"))]
    said = credo(*overrides, "--cfg", "job", cwd=folders[page])
    assert said.code == 0, said.err


def first(word: str) -> str:
    """A word with the first of the values that a sweep gives it; a search's interval is left to Hydra's own parser."""
    (override,) = OverridesParser.create().parse_overrides([word])
    if not override.is_sweep_override():
        return word
    key = word.partition("=")[0]
    return f"{key}={next(iter(override.sweep_string_iterator()))}" if override.is_discrete_sweep() else f"{key}=1.0"


def test_pages_have_commands() -> None:
    """The pattern that finds them finds those of every page with a block of a shell."""
    assert [
        name(page) for page in DOCS.glob("howto/*.md") if page.stem not in ("index", "python") and not commands(page)
    ] == []
    assert len(commands(ROOT / "README.md")) >= 7


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """Those to pages that are written when the site is built are checked then."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    places = {link: (page.parent / link).resolve() for link in links}
    written = ("reference", "measured")
    assert [
        link
        for link, place in places.items()
        if not place.exists() and not (place.is_relative_to(DOCS) and place.relative_to(DOCS).parts[0] in written)
    ] == []


def test_the_words_at_a_glance_are_all() -> None:
    text = (DOCS / "words.md").read_text(encoding="utf-8")
    groups = ("data", "model", "energy", "inference", "prior", "device", "evidence", "training", "sampler", "tracking")
    words = [file.stem for group in groups for file in sorted((ROOT / "conf" / group).glob("*.yaml"))]
    words += [file.stem for file in (ROOT / "experiments").glob("*.yaml")]
    assert [word for word in words if f"`{word}`" not in text] == []
