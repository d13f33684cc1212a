"""The command and its verbs, as they say it themselves."""

import re
from importlib import import_module

from credo.cli import help as helping
from credo.cli.flags import VERBS
from reference.markdown import block, code, page, prose, sentence


def commands_page() -> str:
    """The page of the command."""
    overview = helping.TEXT.partition("{groups}")[0].partition("\n\n")[2].rstrip()
    return page(
        "The command",
        "`credo` runs an experiment, `credo -m` a sweep, and a verb does something with what is there. `--help` shows "
        "all groups, words and keys; Hydra's own flags (`--cfg job`, `--info`, `--multirun`) are shown by "
        '`--hydra-help`. `eval "$(credo -sc install=bash)"` lets Tab complete verbs, words and keys; so does '
        "`install=zsh`, and in fish `credo -sc install=fish | source`.",
        block(overview, "text"),
        *map(_section, VERBS),
    )


def _section(verb: str) -> str:
    module = import_module(f"credo.cli.{verb}")
    head, _, rest = str(module.__doc__).strip().partition("\n\n")
    usage, _, does = " ".join(head.split()).partition(": ")
    usage = usage.strip("`.").replace("`", "")
    parts = [f"(verb-{verb})=\n## {code(f'credo {verb}')}", block(usage, "text"), sentence(prose(does)), prose(rest)]
    if text := getattr(module, "HELP", ""):
        parts.append(block(text, "text"))
    if example := re.search(r"as in (credo .*?)(?:, or (?:a run|credo)|$)", getattr(module, "USAGE", "")):
        parts.append(block(example[1], "shell"))
    return "\n\n".join(part for part in parts if part)
