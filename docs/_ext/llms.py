"""`llms.txt`, by which a language model finds what it needs: what credo is, the commands, the pages, the JSON."""

import re
from collections.abc import Iterable, Mapping

HEAD = """\
# credo

> credo runs experiments in Bayesian inference. Words on the command line choose data, model, priors, inference method
> and device; NumPyro infers, ArviZ's statistics judge, MLflow records, and a verdict says whether the answer may be
> believed and, if not, what to change.

In a checkout, `make run` installs credo and runs a first experiment, and `make test` runs its tests. Then:

    credo experiment=eight_schools                  one experiment: GROUP=WORD chooses, KEY=VALUE sets
    credo -m experiment=eight_schools seed=0,1,2    a sweep: every combination
    credo --help                                    all groups, words and keys

Programs add `--json`: stdout is then one JSON object with `exit_code`, `status` (passed, failed, not checked), `checks`
(each with `advice`, and `changes` that name a key, its value now, and the value to try), `metrics`, `summary` per
scalar, and `places` of files. `credo show RUN --json` prints that of a finished run, `run.to_json()` does so from
Python. A mistake in the configuration ends with exit code 2 and one sentence on stderr that names the key and what to
type.
"""

SECTIONS = {
    "tutorial": "Tutorial",
    "howto": "How to",
    "explanation": "Explanation",
    "words": "The words at a glance",
    "reference": "Reference",
    "measured": "What was measured",
    "contributing": "How to work on credo",
}


def text(pages: Mapping[str, str], sources: Iterable[str]) -> str:
    """The file.

    Args:
        pages: titles by place, such as `reference/checks`.
        sources: the places whose Markdown stands beside the page, at `_sources/PLACE.md`.
    """
    has_source = set(sources)
    parts = [HEAD]
    for folder, title in SECTIONS.items():
        lines = [
            f"- [{pages[place]}]({place}.html)" + (f" ([Markdown](_sources/{place}.md))" if place in has_source else "")
            for place in sorted(pages, key=lambda place: (place != f"{folder}/index", place))
            if place.partition("/")[0] == folder
        ]
        parts += [f"## {title}\n", *lines, ""]
    return "\n".join(parts).rstrip() + "\n"


def title(markdown: str) -> str:
    """The first heading of a page, without its marks of code."""
    found = re.search(r"^# (.+)$", markdown, re.MULTILINE)
    return found[1].replace("`", "").strip() if found else ""
