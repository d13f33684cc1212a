"""The page of a run: what it shows, in which order; `templates/` says how it looks."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Verdict
from credo.diagnostics.summary import parametrisations
from credo.inference.result import Result, Status
from credo.report.drawing.base import Drawing
from credo.report.drawing.numbers import counted, number, places, seconds
from credo.report.drawing.picture import Picture
from credo.report.rendering import template
from credo.report.run import scores, table
from credo.report.run.checks import HEADLINES, ORDER, counts, ended, measured
from credo.runs.record import RunRecord

MOST_ROWS = 200
"""Rows of the summary on the page; the others are in summary.csv."""


def render(
    record: RunRecord,
    result: Result,
    summary: pd.DataFrame,
    verdict: Verdict,
    metrics: Mapping[str, float],
    drawings: Sequence[tuple[Drawing, bytes]],
) -> str:
    """Render the page. Everything that came from outside is escaped."""
    pictures = [Picture(drawing, png) for drawing, png in drawings]
    return template("report.html").render(
        record=record,
        result=result,
        choices=choices(record),
        headline=HEADLINES[verdict.status],
        counts=counts(verdict),
        verdict=verdict,
        checks={status: ended(verdict, status) for status in ORDER},
        broken_off=result.status.value if result.status is not Status.DONE else "",
        question=question(record),
        table=summary_table(result, summary, verdict) if table.columns(result.kind) else None,
        scores=scores.rows(result),
        scores_title=scores.title(result) if scores.rows(result) else "",
        gained=scores.gained(result),
        pictures={section: [p for p in pictures if p.drawing.section == section] for section in ("answer", "checks")},
        cost=cost(result),
        phases=phases(result),
        metrics={name: number(float(value), 6) for name, value in metrics.items()},
        command=command(record),
        origin=origin(record.provenance),
        started=str(record.provenance.get("started", "")).replace("T", " ").replace("+00:00", " UTC"),
        number=number,
        counted=counted,
        measured=measured,
    )


def choices(record: RunRecord) -> dict[str, str]:
    """The words that made the experiment; priors are shown with the model, and Hydra's own groups are left out."""
    chosen = {group: word for group, word in record.choices.items() if "/" not in group and "@" not in group}
    first = [group for group in ("data", "model", "inference", "device", "diagnostics") if group in chosen]
    return {
        group: str(chosen[group])
        for group in [*first, *(g for g in chosen if g not in first)]
        if chosen[group] not in (None, "None")
    }


def question(record: RunRecord) -> dict[str, Any]:
    """The model, its unknowns and priors, and the data."""
    asked = record.description
    latents = [_latent(site) for site in asked.get("latents", ())]
    is_program = "function" in (record.config.get("model") or {})
    priors = _of_sites(asked) if is_program else _priors(record, {latent["name"] for latent in latents})
    formula = str(asked.get("model") or "").strip() or "(the model gives no formula)"
    held_out = asked.get("data", {}).get("test_rows", 0)
    return {
        "model": "\n".join([formula, *(["", *priors] if priors else [])]),
        "latents": latents,
        "data": _data(record),
        "held_out": f"{counted(held_out, 'row')} held out." if held_out else "",
        "left_out": f"Columns left out: {left_out}." if (left_out := asked.get("data", {}).get("left_out")) else "",
    }


def _priors(record: RunRecord, latents: set[str]) -> list[str]:
    """`mu ~ gaussian(loc=0, scale=5)` for every prior of an unknown, by the word that was chosen."""
    settings = (record.config.get("model") or {}).get("prior") or {}
    unused = [str(name) for name in settings if latents and not _is_read(str(name), latents)]
    width = max((len(str(name)) for name in settings if str(name) not in unused), default=0)
    lines = []
    for name, setting in settings.items():
        if str(name) in unused:
            continue
        word = str(record.choices.get(f"prior@model.prior.{name}") or "/")
        shown = _distribution(setting, "" if "/" in word else word)
        lines.append(f"{name!s:<{width}} ~ {shown}")
    return lines


def _of_sites(asked: Mapping[str, Any]) -> list[str]:
    """`mu ~ Normal(loc=0, scale=5)` for every latent of a program, whose priors no configuration has."""
    stated = {str(site["name"]): str(site["stated"]) for site in asked.get("latents", ()) if site.get("stated")}
    width = max(map(len, stated), default=0)
    return [f"{name:<{width}} ~ {prior}" for name, prior in stated.items()]


def _is_read(prior: str, latents: set[str]) -> bool:
    """Whether a latent has this name, or is one of many with it: `layers_0_weight`, `sd[ward]`, `z[beta]`."""
    ends, begins = (f"_{prior}", f"[{prior}]"), f"{prior}["
    return any(latent == prior or latent.endswith(ends) or latent.startswith(begins) for latent in latents)


def _latent(site: Mapping[str, Any]) -> dict[str, str]:
    """A latent's name, size, distribution and support in words."""
    size = _size(site.get("dims", {}))
    words = {key: str(site.get(key, "")) for key in ("name", "distribution", "support")}
    return words | {"size": size}


def _size(dims: Mapping[Any, int]) -> str:
    """The axes with their names, where they have some of their own (`NAME_dim_0` is none)."""
    named = [f"{size:,}" if re.search(r"_dim_\d+$", str(dim)) else f"{dim} {size:,}" for dim, size in dims.items()]
    return " × ".join(named) or "scalar"


def _distribution(setting: Any, word: str) -> str:
    """`gaussian(loc=0, scale=5)` from the configuration of a prior; without a word it has the name of its class."""
    if not isinstance(setting, Mapping):
        return str(setting)
    name = word or str(setting.get("_target_", "")).rpartition(".")[2]
    arguments = ", ".join(f"{key}={_plain(value)}" for key, value in setting.items() if not str(key).startswith("_"))
    return f"{name}({arguments})" if name else arguments


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _data(record: RunRecord) -> list[dict[str, str]]:
    """One entry per variable of the data: its name, size, range, and whether the model sees it."""
    unused = record.description.get("data", {}).get("unused", ())
    return [
        {
            "name": str(name),
            "size": _size(variable.sizes),
            "content": _content(variable),
            "remark": _remark(variable, name in unused),
        }
        for name, variable in record.data.data_vars.items()
    ]


def _remark(variable: Any, unused: bool) -> str:
    if variable.attrs.get("role") == "truth":
        return "generated the data; kept from the model"
    return "not taken by the model" if unused else ""


def _content(variable: Any) -> str:
    """A variable's range and mean, the latter to a thousandth of the range."""
    if variable.dtype.kind not in "biuf" or not variable.size:
        return ""
    low, high, mean = (float(f(variable.values.astype(float))) for f in (np.min, np.max, np.mean))
    if low == high:
        return number(mean, 4)
    digits = places((high - low) / 1000)
    return f"{number(low)} to {number(high)}, mean {number(mean if digits is None else round(mean, digits), 4)}"


def summary_table(result: Result, summary: pd.DataFrame, verdict: Verdict) -> dict[str, Any]:
    """Headings, rows of (words, whether the number is beyond its bar), and which rows are left out."""
    chosen = table.columns(result.kind)
    thresholds = {check.name: check.threshold for check in verdict.checks}
    aside = parametrisations(group(result, "posterior"))
    rows = [
        (row["variable"], [(table.cell(row, c, result.kind), table.is_beyond(row, c, thresholds)) for c in chosen])
        for row in table.records(summary, MOST_ROWS, thresholds, aside)
    ]
    return {
        "columns": [column.title for column in chosen],
        "rows": rows,
        "more": table.left_out(summary, len(rows), aside),
        "note": table.NOTES[result.kind],
    }


def phases(result: Result) -> list[dict[str, Any]]:
    """The phases of the inference with their share of its time."""
    total = sum(result.cost.seconds.values()) or 1.0
    return [
        {"name": name, "time": seconds(spent), "share": round(100 * spent / total, 2)}
        for name, spent in result.cost.seconds.items()
        if spent > 0
    ]


def cost(result: Result) -> dict[str, str]:
    """What the inference cost, in words."""
    return {
        "time": seconds(sum(result.cost.seconds.values())),
        "gradient evaluations": number(result.cost.gradients),
        "density evaluations": number(result.cost.density_evaluations),
        "compiled programs": number(result.cost.programs),
    }


def command(record: RunRecord) -> str:
    """What to type to run this again."""
    return shlex.join(["credo", *record.overrides])


def origin(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the answer came from, the essentials first, in words."""
    facts = dict(provenance)
    git = facts.pop("git", None)
    versions = facts.pop("versions", None) or {}
    for of_programs in ("command", "observed"):
        facts.pop(of_programs, None)
    first = [(word.replace("_", " "), _words(facts.pop(word))) for word in ("seed", "data_hash") if word in facts]
    if isinstance(git, Mapping):
        changes = " with changes that are not committed" if git.get("dirty") else ""
        first.append(("git commit", f"{git.get('commit') or 'none yet'}{changes}"))
    elif git:
        first.append(("git commit", str(git)))
    told = {
        key: _TOLD[key](value) if key in _TOLD else _words(value) for key, value in facts.items() if value is not None
    }
    rest = [(str(key).replace("_", " "), words) for key, words in told.items()]
    packages = [f"{package} {version}" for package, version in versions.items() if version]
    return [*first, *rest, *([("versions", ", ".join(packages))] if packages else [])]


def _code(code: Mapping[str, Any]) -> str:
    """The files and packages of the user's own."""
    return ", ".join([*code.get("files", ()), *code.get("packages", ())]) or "credo's alone"


def _device(device: Mapping[str, Any]) -> str:
    return f"{device.get('platform')}, {counted(device.get('devices', 1), 'device')}, {device.get('precision')}"


_TOLD: Mapping[str, Callable[[Any], str]] = {"code": _code, "device": _device}
"""The words for facts that have several parts."""


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
