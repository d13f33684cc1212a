"""What was meant by a word that sets nothing, or by an option that goes by another name elsewhere."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from credo.config import paths

ELSEWHERE: Mapping[str, str] = {
    "inference=advi": "inference=vi",
    "inference=em": "inference=mle",
    "inference=mcmc": "inference=nuts",
    "inference=metropolis": "inference=mh",
    "inference=ml": "inference=mle",
    "inference=optimise": "inference=map",
    "inference=optimize": "inference=map",
    "inference=random_walk": "inference=mh",
    "inference=variational": "inference=vi",
    "model=glm": "model=regression",
    "model=gmm": "model=mixture",
    "model=gp": "model=gaussian_process",
    "model=linear": "model=regression",
    "model=lm": "model=regression",
    "model=logistic": "model=regression model.family=bernoulli",
    "model=logit": "model=regression model.family=bernoulli",
    "model=numpyro": "model=program",
    "model=poisson": "model=regression model.family=poisson",
    "model=rbm": "model=ebm energy=rbm",
}
"""What people type who come from other programs, and the words for it here."""

READERS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".npz": "npz",
}
"""The option of `data` that reads a file, by how its name ends."""

NO_VERBS = ("run", "fit", "train", "sweep", "sample")
"""What other programs call it to run an experiment."""


def by_option(group: str, option: str) -> str:
    """The words that were meant by an option that there is not; empty where nobody can tell."""
    typed = f"{group}={option}"
    if typed in ELSEWHERE:
        return ELSEWHERE[typed]
    place = Path(group, option)
    if place.parts[0] == "data" and place.suffix.lower() in READERS:
        return f"data={READERS[place.suffix.lower()]} data.path={place.relative_to('data')}"
    return ""


def by_word(word: str, typed: Sequence[str], verbs: Sequence[str]) -> str:
    """Advice for a word without `=`; empty where nobody can tell.

    Args:
        word: which sets nothing.
        typed: all words of the command.
        verbs: the commands of their own.
    """
    if word in verbs:
        return f"credo {word} is a command of its own, which takes no overrides"
    if any(one.startswith("model.formula") for one in typed):
        return "a formula stands in quotes, as in 'model.formula=y ~ x'"
    if word in NO_VERBS:
        return "an experiment is run without a verb, as in credo experiment=eight_schools"
    if word in paths.groups():
        return f"{word} is a group; type {word}=OPTION"
    if found := [f"{group}={word}" for group in sorted(paths.groups()) if paths.of_word(group, word)]:
        return f"did you mean {' or '.join(found)}?"
    near = get_close_matches(word, verbs, 1)
    return f"did you mean credo {near[0]}?" if near else ""
