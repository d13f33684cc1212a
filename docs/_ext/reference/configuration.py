"""Every group of the configuration, its words, and their keys: type, range, default and what they do.

They are read from the YAML files, and from the source of the classes that these name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from credo.config import described, numbers, paths, schema, signature
from reference.markdown import block, code, definitions, page, prose, sentence, table

CONF = paths.built_in() / "conf"
EXPERIMENTS = paths.built_in() / "experiments"
LAUNCHING = {
    "hydra/sweeper": "which jobs a sweep has: all combinations, or those that a search chooses",
    "hydra/launcher": "where the jobs of a sweep run; Hydra's own `basic`, and those of its plugins, are words as well",
}
"""The groups of Hydra's for which credo has words of its own."""

TITLES = {
    "inference/base/chains": "All Markov chains",
    "inference/base/point": "All point estimates",
    "training/base/descent": "All trainings",
}
"""What the words that are based on a file have in common, by the file."""


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: as it is typed.
        default: its value in the file, in the words of YAML.
        kind: what it may be, in words; empty where nothing says it.
        does: a sentence; empty where nothing says it.
        remark: the file's comment beside the value.
    """

    name: str
    default: str
    kind: str
    does: str
    remark: str


@dataclass(frozen=True)
class Word:
    """One word of a group.

    Attributes:
        name: as in `inference=nuts`.
        call: a command with it.
        about: what its file, its class and the module of that say of it, in paragraphs.
        target: its class; empty where it has none.
        keys: of its own.
        bases: the files whose keys it has besides, such as `inference/base/chains`.
        chosen: the words that it chooses in its place, such as those of its priors.
    """

    name: str
    call: str
    about: tuple[str, ...]
    target: str
    keys: tuple[Key, ...]
    bases: tuple[str, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)


def pages() -> dict[str, str]:
    """The pages by their place, without `.md`."""
    groups = {
        f"configuration/{group.replace('/', '-')}": _group_page(group, does)
        for group, does in (schema.GROUPS | LAUNCHING).items()
    }
    return {"configuration/index": _index()} | groups | {"configuration/experiment": _experiments()}


def words(group: str) -> list[Word]:
    """The words of a group, by name."""
    return [word_of(group, file, group) for file in sorted((CONF / group).glob("*.yaml"))]


def root_keys() -> list[Key]:
    """The keys above all groups."""
    file = CONF / "config.yaml"
    settings, remarks = _content(file), described.comments(file)
    told = described.attributes(str(schema.Credo.__doc__))
    told |= {f"sweep.{name}": does for name, does in described.attributes(str(schema.Sweep.__doc__)).items()}
    hints = get_type_hints(schema.Credo)
    hints |= {f"sweep.{name}": hint for name, hint in get_type_hints(schema.Sweep).items()} | numbers.SECTIONS
    own = {name: settings[name] for name in ("name", "seed", "objective", "sweep")}
    return [
        Key(name, _yaml(value), described.kind(hints.get(name)), told.get(name, ""), remarks.get(name, ""))
        for name, value in _flat("", own)
    ]


def beside(group: str) -> list[Key]:
    """The keys that stand among the settings of any word of a group."""
    file = CONF / "config.yaml"
    settings, remarks = _content(file).get(group) or {}, described.comments(file)
    return [
        Key(f"{group}.{name}", _yaml(value), _beside_kind(group, name), "", remarks.get(f"{group}.{name}", ""))
        for name, value in settings.items()
    ]


def _beside_kind(group: str, name: str) -> str:
    found = schema.BESIDE.get(group, {}).get(name)
    return described.kind(found[0]) if found else ""


def base_keys(base: str) -> list[Key]:
    """The keys of a file on which words are based, such as `inference/base/chains`."""
    group = base.partition("/")[0]
    user = next(file for file in sorted((CONF / group).glob("*.yaml")) if base in _bases(group, file))
    target = str(_content(user)["_target_"])
    return list(_keys(group, _own(CONF / f"{base}.yaml"), target, described.comments(CONF / f"{base}.yaml")))


def word_of(group: str, file: Path, above: str) -> Word:
    """The word of a file, whose keys stand below `above`."""
    call, said = described.head(file)
    content = _content(file)
    target = str(content.get("_target_", ""))
    inherited = _inherited(group, content)
    target = target or str(inherited.get("_target_", ""))
    told = [said]
    if target.startswith(("credo.", "hydra_plugins.")):
        told += [described.module(target), described.summary(target)]
    return Word(
        name=file.stem,
        call=call,
        about=tuple(text for text in dict.fromkeys(told) if text),
        target=target,
        keys=tuple(_keys(above, _own(file), target, described.comments(file))),
        bases=tuple(_bases(group, file)),
        chosen=dict(_chosen(group, content)),
    )


def _content(file: Path) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    return content or {}


def _own(file: Path) -> dict[str, Any]:
    return {key: value for key, value in _content(file).items() if key not in ("defaults", "_target_")}


def _items(content: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The group, the place and the word of each entry of the defaults that chooses one elsewhere."""
    for item in content.get("defaults", ()):
        if isinstance(item, dict):
            head, word = next(iter(item.items()))
            name, _, place = head.partition("@")
            yield name.removeprefix("override ").removeprefix("/"), place, word
        elif item != "_self_" and not item.endswith("@_here_") and "/*@" not in item and not item.startswith("/schema"):
            name, _, place = item.partition("@")
            above, _, word = name.removeprefix("/").rpartition("/")
            yield above, place, word


def _chosen(group: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for above, place, word in _items(content):
        if place and not place.startswith("_global_.experiment"):
            key = place.removeprefix("_global_.") if place.startswith("_global_.") else f"{group}.{place}"
            yield f"{above or group}@{key}" if (above or group) != key else key, _yaml(word)


def _bases(group: str, file: Path) -> Iterator[str]:
    for item in _content(file).get("defaults", ()):
        word = item.removesuffix("@_here_") if isinstance(item, str) else ""
        if word.startswith("base/") or (word and (file.parent / f"{word}.yaml").is_file()):
            yield f"{group}/{word}"


def _inherited(group: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What the words on which this one is based say."""
    found: dict[str, Any] = {}
    for item in content.get("defaults", ()):
        base = CONF / group / f"{str(item).removesuffix('@_here_')}.yaml"
        if isinstance(item, str) and base.is_file():
            found |= _content(base)
    return found


def _keys(above: str, settings: Mapping[str, Any], target: str, remarks: Mapping[str, str]) -> Iterator[Key]:
    """The keys of a part, and of the parts inside of it."""
    found = signature.of(target) if target else None
    hints = {one.name: one.hint for one in found.parameters} if found else {}
    told = dict(described.settings(target)) if target else {}
    if section := schema.SECTIONS.get(above):
        hints, told = get_type_hints(section), described.attributes(str(section.__doc__))
    for name, value in settings.items():
        inner = {path.removeprefix(f"{name}."): said for path, said in remarks.items() if path.startswith(f"{name}.")}
        if isinstance(value, dict) and "_target_" in value:
            own = {key: one for key, one in value.items() if key != "_target_"}
            yield from _keys(f"{above}.{name}", own, str(value["_target_"]), inner)
        elif isinstance(value, dict) and value:
            yield from _plain(f"{above}.{name}", value, inner | {"": remarks.get(name, "")}, told.get(name, ""))
        else:
            hint = numbers.SECTIONS.get(f"{above}.{name}", hints.get(name))
            kind = described.kind(hint) or _kind_of(target, name)
            yield Key(f"{above}.{name}", _yaml(value), kind, told.get(name, ""), remarks.get(name, ""))


def _plain(above: str, values: Mapping[str, Any], remarks: Mapping[str, str], told: str) -> Iterator[Key]:
    """The keys of a mapping that is no part."""
    sections = {"inference.checkpoint": schema.Checkpoint}
    words = described.attributes(str(sections[above].__doc__)) if above in sections else {}
    if above in sections:
        told = str(sections[above].__doc__).partition("\n")[0]
    for name, value in _flat("", values):
        key = f"{above}.{name}"
        kind = described.kind(numbers.SECTIONS.get(key, type(value)))
        does = f"{told} {sentence(words[name])}" if name in words else told
        yield Key(key, _yaml(value), kind, does, remarks.get(name) or remarks[""])


def _flat(above: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{above}{name}.", value)
        else:
            yield f"{above}{name}", value


def _kind_of(target: str, name: str) -> str:
    """What a number of one of NumPyro's distributions may be."""
    if not target.startswith("numpyro."):
        return ""
    from hydra.utils import get_class

    from credo.config.supports import describe

    constraint = get_class(target).arg_constraints.get(name)
    return "" if constraint is None else describe(constraint)


def _yaml(value: Any) -> str:
    """A value as it is typed."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_yaml, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_yaml(one)}' for key, one in value.items())}}}"
        case _:
            return str(value)


def _group_page(group: str, does: str) -> str:
    found = words(group)
    bases = dict.fromkeys(base for word in found for base in word.bases if "/base/" in base)
    common = [_common(base) for base in bases]
    if every := beside(group):
        common.insert(0, f"## Every {group}\n\n{_listed(every)}")
    names = ", ".join(f"[`{word.name}`](#word-{_anchor(group)}-{word.name})" for word in found)
    inner = [_own_defaults()] if group == "prior" else []
    parts = [sentence(prose(does)), f"Words: {names}.", *common, *(_section(group, word) for word in found), *inner]
    return page(code(group), *parts)


def _common(base: str) -> str:
    return f"({_base_anchor(base)})=\n## {TITLES[base]}\n\n{_listed(base_keys(base))}"


def _section(group: str, word: Word) -> str:
    parts = [f"(word-{_anchor(group)}-{word.name})=\n## {code(f'{group}={word.name}')}", *map(prose, word.about)]
    if word.target.startswith("numpyro."):
        parts.append(f"NumPyro's {code(word.target.rpartition('.')[2])}, whose documentation has the density.")
    if word.call:
        parts.append(block(word.call, "shell"))
    for base in word.bases:
        other = TITLES.get(base)
        where = f"#{_base_anchor(base)}" if other else f"#word-{_anchor(group)}-{base.rpartition('/')[2]}"
        named = f"[{other[0].lower()}{other[1:]}]({where})" if other else f"[{code(base.rpartition('/')[2])}]({where})"
        parts.append(f"It has the keys of {named}{', and these' if word.keys else ''}.")
    if word.keys:
        parts.append(_listed(word.keys))
    if word.chosen:
        rows = [(code(key), code(value)) for key, value in word.chosen.items()]
        parts.append("It chooses these words, for which `KEY=WORD` chooses others:")
        parts.append(table(("key", "word"), rows))
    return "\n\n".join(parts)


def _listed(keys: Iterator[Key] | list[Key] | tuple[Key, ...]) -> str:
    return definitions((code(key.name), (sentence(prose(key.does)), _facts(key))) for key in keys)


def _facts(key: Key) -> str:
    """The type, range and default of a key."""
    kind = f"{sentence(key.kind).removesuffix('.')}. " if key.kind else ""
    given = "To be given" if key.default == "???" else f"Default: {code(key.default)}"
    return f"{kind}{given}{f' ({prose(key.remark)})' if _adds(key) else ''}."


def _adds(key: Key) -> bool:
    """Whether the remark beside the value says what the sentence does not."""
    said, more = (set(re.findall(r"\w+", text.lower().replace("none", "null"))) for text in (key.does, key.remark))
    return len(more - said) > len(more) / 3


def _own_defaults() -> str:
    """The words of priors that models have as their own, such as `gaussian/loc`."""
    files = sorted((CONF / "prior").glob("*/*.yaml"))
    rows = []
    for file in files:
        bases = [str(item) for item in _content(file).get("defaults", ()) if item != "_self_"]
        family = bases[0].removeprefix("/prior/").removesuffix("@_here_") if bases else ""
        family = family or str(_content(file).get("_target_", "")).rpartition(".")[2]
        settings = ", ".join(f"{key}={_yaml(value)}" for key, value in _own(file).items())
        rows.append((code(str(file.relative_to(CONF / "prior").with_suffix(""))), code(family), code(settings)))
    return "\n\n".join(
        [
            "(word-prior-own)=\n## Those of the models",
            "Each model has priors of its own, which are words like the others: `prior@model.prior.loc=gaussian/loc`.",
            table(("word", "family", "numbers"), rows),
        ]
    )


def _index() -> str:
    chosen = {name: word for name, _, word in _items(_content(CONF / "config.yaml")) if name in schema.GROUPS}
    rows = [
        (f"[`{group}`]({group.replace('/', '-')}.md)", prose(does), code(chosen[group]) if group in chosen else "")
        for group, does in (schema.GROUPS | LAUNCHING | {"experiment": "a named choice of all these"}).items()
    ]
    toctree = "\n".join(group.replace("/", "-") for group in (*schema.GROUPS, "experiment", *LAUNCHING))
    return page(
        "Configuration",
        "A word per group, `GROUP=WORD`, chooses a file of `conf/`; `KEY=VALUE` sets a value of it. "
        "`credo --cfg job` shows the whole configuration of a command, and `credo --help` all words.",
        table(("group", "chooses", "default"), rows),
        "## Keys above all groups",
        _listed(root_keys()),
        f"```{{toctree}}\n:hidden:\n\n{toctree}\n```",
    )


def _experiments() -> str:
    parts = []
    for file in sorted(EXPERIMENTS.glob("*.yaml")):
        call, said = described.head(file)
        lines = file.read_text(encoding="utf-8").splitlines()
        shown = "\n".join(line for line in lines if not line.startswith("#"))
        parts.append(f"(word-experiment-{file.stem})=\n## {code(f'experiment={file.stem}')}")
        parts += [prose(said), block(call, "shell"), block(shown, "yaml")]
    return page("`experiment`", "A named choice of words and values, which further words and keys change.", *parts)


def _anchor(group: str) -> str:
    return group.replace("/", "-")


def _base_anchor(base: str) -> str:
    return f"keys-{base.replace('/', '-')}"
