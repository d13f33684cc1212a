"""What a user can get wrong: each time one sentence, exit code 2, and nothing left behind."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from console import credo, credo_process
from credo.config.messages import in_quotes

MODELS = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def good(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def raises(y):
    raise ValueError("no such dose")


def branches(y):
    if numpyro.sample("mu", dist.Normal(0.0, 1.0)) > 0:
        raise AssertionError


def misfits(y):
    numpyro.sample("y", dist.Normal(jnp.zeros((len(y), 1)), 1.0).to_event(2), obs=y)


def knows_everything(y):
    pass


def counts(y):
    rate = numpyro.sample("rate", dist.Poisson(3.0))
    numpyro.sample("y", dist.Normal(rate, 1.0), obs=y)


def takes_dose(dose, y):
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with data and models that have faults."""
    here = tmp_path_factory.mktemp("mistakes")
    (here / "faulty.py").write_text(MODELS)
    (here / "faulty_import.py").write_text("import nowhere\n")
    (here / "faulty_syntax.py").write_text("def model(:\n")
    (here / "experiments").mkdir()
    (here / "experiments" / "misspelt.yaml").write_text("# @package _global_\ninference:\n  drws: 3\n")
    (here / "experiments" / "broken.yaml").write_text("# @package _global_\ninference: [1, 2: 3\n")
    table = pd.DataFrame({"y": [1.0, 2.0, 0.5], "x": [0.1, 0.2, 0.3], "name": ["a", "b", "c"]})
    table.to_csv(here / "table.csv", index=False)
    table.assign(x=[0.1, None, 0.3]).to_csv(here / "holes.csv", index=False)
    (here / "no_names.csv").write_text("1,2.5\n2,3.5\n3,1.5\n")
    table[:1].to_csv(here / "one_row.csv", index=False)
    (here / "text.json").write_text(json.dumps({"y": [1, 2], "name": ["a", "b"]}))
    (here / "list.json").write_text("[1, 2]")
    np.savez(here / "arrays.npz", y=np.ones(3), x=np.ones((4, 2)))
    return here


GROUP = "model=hierarchical"
PROGRAM = "model=program data=coin_flips model.function="
CASES = {
    # words
    "option": ("data=eightschools", "data=eightschools: there is no such option; did you mean 'eight_schools'?"),
    "experiment": ("experiment=eight_school", "experiment=eight_school: there is no such option; did you mean 'eight_"),
    "prior option": ("prior@model.prior.mu=gausian", "prior=gausian: .*did you mean 'gaussian'"),
    "option by another name": ("model=logistic", "no such option; type model=regression model.family=bernoulli"),
    "file for an option": ("data=table.csv", "no such option; type data=csv data.path=table.csv"),
    "file in a folder": ("data=old/table.json", "no such option; type data=json data.path=old/table.json"),
    "option without its group": ("nuts", "nuts: expected KEY=VALUE .*; did you mean inference=nuts or sampler=nuts?"),
    "group without =": ("experiment coin_flips", "experiment is a group; type experiment=OPTION"),
    "verb for a run": ("run experiment=coin_flips", "an experiment is run without a verb, as in credo experiment="),
    "verb": ("shw run", "did you mean credo show?"),
    "formula without quotes": (
        "data=csv data.path=table.csv model=regression model.formula=y /root x",
        "/root: expected KEY=VALUE .*; a formula stands in quotes, as in 'model.formula=y ~ x'",
    ),
    "no names of columns": (
        "data=csv data.path=no_names.csv data.target=y model=regression",
        r"no column 'y'; its first line is 1,2\.5, but expected the names of the columns",
    ),
    "case of a column": (
        "data=csv data.path=table.csv data.target=NAME model=regression",
        "no column 'NAME'; did you mean 'name'?",
    ),
    "number for an option": ("inference=3", "a number is no option of a group; expected a word"),
    "two words in one": (
        "'experiment=coin_flips seed=2'",
        "expected one KEY=VALUE in each word; type experiment=coin_flips and seed=2 as two words",
    ),
    "null option": ("inference=null", "null is no option of a group; expected a word"),
    "two options": ("'inference=[nuts,mh]'", "expected one option of a group, but got two"),
    "no option": ("~inference", "inference: this key is needed and cannot be deleted"),
    "sweep without -m": (
        "inference=mh,nuts",
        "inference=mh,nuts: several values.* need -m, as in credo -m inference=mh",
    ),
    "group at a wrong place": ("prior@model.prior.mux=gaussian", "did you mean .*prior@model.prior.mu,"),
    "flag": ("--experiment=eight_schools", "--experiment=eight_schools: there is no such flag; .*credo --help"),
    # keys
    "group": ("modle=gaussian", "modle: there is no such key; did you mean 'model'?"),
    "key": ("inference.drws=3", r"inference\.drws: there is no such key; did you mean 'draws'?"),
    "nested key": ("model.prior.mu.scal=1", r"model\.prior\.mu\.scal: there is no such key; did you mean 'scale'?"),
    "new key": ("+inference.drws=3", r"inference\.drws: there is no such key; did you mean 'draws'?"),
    "new key at the top": ("+sed=3", "sed: there is no such key; did you mean 'seed'?"),
    "new key of the device": ("+device.precison=float32", r"device\.precison: .*did you mean 'precision'?"),
    "new key of a prior": ("+model.prior.mu.scal=1", r"model\.prior\.mu\.scal: .*did you mean 'scale'?"),
    "new key of a check": ("+diagnostics.checks.loo.treshold=1", r"checks\.loo\.treshold: .*did you mean 'threshold'?"),
    "key of an option without keys": ("tracking=none tracking.uri=x", r"tracking\.uri: .*; tracking has none"),
    "key in a file": ("experiment=misspelt", r"inference\.drws: .*did you mean 'draws'\? \(in experiment/misspelt\)"),
    "check without a class": (
        "+diagnostics.checks.rhat.threshold=1",
        r"checks\.rhat: expected a _target_ that names its class, a credo\.diagnostics\.base\.Diagnostic",
    ),
    "check of no class": ("+diagnostics.checks.mine=3", r"checks\.mine: expected a _target_ .*, but got 3"),
    "class that is not there": (
        "+diagnostics.checks.mine._target_=mine.Check",
        r"mine\._target_: mine\.Check cannot be",
    ),
    "class of another kind": (
        "inference._target_=credo.report.run.none.NoReport",
        r"inference\.chains: there is no such key",
    ),
    # values
    "word for a number": ("inference.draws=many", r"inference\.draws: expected a whole number, but got many"),
    "fraction for a count": ("inference.draws=1.5", r"inference\.draws: expected a whole number, but got 1\.5"),
    "word for a decimal": ("model.prior.mu.scale=wide", r"model\.prior\.mu\.scale: expected a number, but got wide"),
    "word for a flag": ("model.centred=maybe", r"model\.centred: expected true or false, but got maybe"),
    "null for a number": ("inference.draws=null", r"inference\.draws: expected a value, but got null"),
    "number for a list": (
        "data=inline data.values=3",
        r"data\.values: expected a list, as in \[a,b\], but got one int",
    ),
    "word outside a choice": ("diagnostics.gate=stop", r"diagnostics\.gate: .*'stop', expected one of \[warn, error\]"),
    "deleted key": ("~inference.draws", r"inference\.draws: this key is needed"),
    "missing value": ("data=csv", r"data\.path: a value is needed, but none was given; add data\.path=VALUE"),
    "interpolation": ("'seed=${sed}'", "interpolation key 'sed' not found"),
    "override syntax": ("'inference.draws=['", r"inference\.draws=\[: expected KEY=VALUE or GROUP=OPTION"),
    "umlaut": ("data=csv data.path=ü/d.csv", r"""data\.path=ü/d\.csv: .*type it as 'data\.path="ü/d\.csv"'$"""),
    "equals sign": ("data=csv data.path=a=b.csv", r"""type it as 'data\.path="a=b\.csv"'$"""),
    "parentheses": ("data=csv 'data.path=a (1).csv'", r"""type it as 'data\.path="a \(1\)\.csv"'$"""),
    "comma": ("data=csv data.path=a,b.csv", r"""need -m, .*; one value .* typed as 'data\.path="a,b\.csv"'$"""),
    "umlaut in a list": ("data=csv data.features=[Größe,x]", r"""type it as 'data\.features=\["Größe",x\]'$"""),
    "nested resolvers": ("'seed=${oc.decode:${oc.env:A}}'", r"""type it as 'seed="\${oc\.decode:\${oc\.env:A}}"'$"""),
    "no variable": (
        "'data.values=${oc.env:NOT_SET}' data=inline",
        r"data\.values: the environment .*NOT_SET is",
    ),
    "run below a file": ("hydra.run.dir=table.csv/a", r"hydra\.run\.dir=table\.csv/a: .* since table\.csv is a file"),
    "run is a file": ("hydra.run.dir=table.csv", r"hydra\.run\.dir=table\.csv: .* since table\.csv is a file"),
    "sweep below a file": ("-m seed=1,2 hydra.sweep.dir=table.csv/a", r"hydra\.sweep\.dir: \S+/a cannot be made"),
    "word after -m": ("-m frobnicate", "frobnicate: expected KEY=VALUE or GROUP=OPTION"),
    "verb after -m": ("-m compare a b", "compare: expected KEY=VALUE .*credo compare is a command of its own"),
    "no key": ("=3", "=3: expected KEY=VALUE or GROUP=OPTION"),
    "override without a value": ("frobnicate", "frobnicate: expected KEY=VALUE or GROUP=OPTION"),
    "broken file": ("experiment=broken", r"broken\.yaml, line 3: not valid YAML"),
    # the sampler's settings
    "no draws": ("inference.draws=0", r"inference\.draws: .* at least 1, but got 0"),
    "no chains": ("inference.chains=0", r"inference\.chains: .* at least 1, but got 0"),
    "acceptance": ("inference.target_accept=2", r"inference\.target_accept: .*between 0 and 1 or null, but got 2"),
    "optimiser": (
        "inference=map inference.optimiser=sgd",
        r"inference\.optimiser: expected lbfgs or adam, but got 'sgd'",
    ),
    "batch": (
        "inference=map inference.optimiser=adam inference.batch_size=4",
        "batch_size: the latent z has a value per",
    ),
    "plots": ("report.plots=[posteror]", r"report\.plots: there is no plot 'posteror'; did you mean 'posterior'?"),
    # priors
    "negative scale": ("model.prior.mu.scale=-1", r"model\.prior\.mu\.scale: expected a positive number, but got -1"),
    "empty interval": (
        f"{GROUP} prior@model.prior.mu=uniform model.prior.mu.low=2",
        r"model\.prior\.mu\.high: expected a number above low = 2",
    ),
    "prior of nothing": ("+prior@model.prior.nu=gaussian", r"model\.prior\.nu: the model reads no such prior; .*'mu'"),
    "prior deleted": ("~model.prior.mu", r"model\.prior\.mu: the model needs a prior of mu, but there is none"),
    "prior option deleted": ("~prior@model.prior.mu", r"model\.prior\.mu: the model needs a prior of mu"),
    "null prior": ("model.prior.mu=null", r"model\.prior\.mu: the model needs a prior of mu"),
    "number for a prior": ("model.prior.mu=3", r"model\.prior\.mu: expected a prior, .*but got 3"),
    "real scale": (
        "prior@model.prior.tau=gaussian",
        r"prior\.tau: tau must be a positive number, but the prior allows a f",
    ),
    "scale from below zero": (
        "prior@model.prior.tau=uniform model.prior.tau.low=-1",
        r"prior\.tau: .*allows a number between -1 and 1",
    ),
    "probability": (
        "data=coin_flips model=bernoulli prior@model.prior.p=gamma",
        r"prior\.p: p must be a number between",
    ),
    "discrete coefficient": (
        "data=diabetes model=regression prior@model.prior.beta=bernoulli",
        r"prior\.beta: .*0 or 1",
    ),
    "flat synthetic": (
        "data=synthetic model=gaussian prior@model.prior.loc=flat",
        r"model\.prior\.loc: data=synthetic draws from the prior",
    ),
    # data
    "missing file": ("data=csv data.path=tabel.csv data.target=y", r"data\.path: .*tabel\.csv does not.*'table\.csv'"),
    "missing column": ("data=csv data.path=table.csv data.target=z", r"data\.target: the data has no column 'z'"),
    "text column": ("data=csv data.path=table.csv data.target=name", r"data\.target: column 'name' holds 'a' in row 1"),
    "holes": ("data=csv data.path=holes.csv data.target=y", r"data: column 'x' has 1 missing value, first in row 2"),
    "one row": ("data=csv data.path=one_row.csv data.target=y", "data: the table has 1 row, but expected at least 2"),
    "text entry": ("data=json data.path=text.json", r"data\.path: 'name' holds 'a', but expected numbers"),
    "json list": ("data=json data.path=list.json", r"data\.path: expected .*list\.json to hold an object"),
    "not a csv": ("data=parquet data.path=table.csv data.target=y", r"data\.path: expected a Parquet file"),
    "ragged npz": ("data=npz data.path=arrays.npz data.target=y", r"data\.path: expected columns of one length"),
    "no numbers": ("data=inline data.values=[a,b]", r"data\.values: expected numbers, but got 'a'"),
    "all held out": (
        "data=diabetes data.test_fraction=1.0 model=regression",
        r"data\.test_fraction: expected a number",
    ),
    # data and model
    "two for a coin": (
        "data=inline data.values=[0,1,2] model=bernoulli",
        "model=bernoulli: every y must be 0 or 1, but obs 2 has 2",
    ),
    "negative count": (
        "data=diabetes data.standardise_target=true model=regression model.family=poisson",
        "model.family=poisson: every y must be a whole number of at least 0",
    ),
    "no groups": ("data=coin_flips model=hierarchical", "model=hierarchical needs known standard errors .* or groups"),
    "no inputs": ("data=coin_flips model=regression", "data: the model 'regression' needs the variable 'x'"),
    "family": (
        "data=diabetes model=regression model.family=gama",
        r"model\.family: expected one of gaussian, bernoulli",
    ),
    # a user's own function
    "function form": (f"{PROGRAM}faulty", r"model\.function: expected module:function, but got 'faulty'"),
    "no module": (
        f"{PROGRAM}nowhere:model",
        r"model\.function: the module 'nowhere' cannot be imported .*folder where",
    ),
    "module fails": (
        f"{PROGRAM}faulty_import:model",
        r"ModuleNotFoundError: No .*'nowhere' \(faulty_import\.py, line 1\)",
    ),
    "module syntax": (f"{PROGRAM}faulty_syntax:model", r"SyntaxError: .*\(faulty_syntax\.py, line 1\)"),
    "no function": (
        f"{PROGRAM}faulty:god",
        r"model\.function: .*faulty\.py\) has no function 'god'; did you mean 'good'?",
    ),
    "function raises": (
        f"{PROGRAM}faulty:raises",
        r"model\.function: .*ValueError: no such dose \(faulty\.py, line 14\)",
    ),
    "function branches": (f"{PROGRAM}faulty:branches", r"model\.function: .*boolean.*\(faulty\.py, line 18\)"),
    "function misfits": (
        f"{PROGRAM}faulty:misfits",
        r"model: the observation y has the shape \(10,\), but its .*\(10, 1\)",
    ),
    "no latent": (f"{PROGRAM}faulty:knows_everything", "model: expected at least one latent variable"),
    "data not taken": (
        "model=program model.function=faulty:good",
        r"model\.function: the data has the variable 'sigma'",
    ),
    "data not there": (f"{PROGRAM}faulty:takes_dose", "data: the model 'program' needs the variable 'dose'"),
    "argument not taken": (f"{PROGRAM}faulty:good +model.arguments.x=1", r"model\.arguments\.x: .*no such parameter"),
    "argument is text": (f"{PROGRAM}faulty:good +model.arguments.y=one", r"model\.arguments\.y: expected a number"),
    "prior of a program": (f"{PROGRAM}faulty:good +prior@model.prior.mu=gaussian", "prior: there is no such key"),
    # model and method
    "discrete and gradients": (
        "data=coin_flips model=gaussian prior@model.prior.loc=bernoulli inference=nuts",
        r"inference=nuts moves continuous latents and the model has none .*use inference=mh",
    ),
    "endless sum": (f"{PROGRAM}faulty:counts inference=map", "inference=map .*use inference=mh"),
    # device and tracker
    "no gpu": ("device=gpu", r"device\.platform: asked for gpu, but this machine has only cpu"),
    "platform": ("device.platform=tpu", r"device\.platform: expected one of auto, cpu, gpu, but got 'tpu'"),
    "precision": ("device.precision=float16", r"device\.precision: expected one of auto, float32, float64"),
    "no devices": ("device.num_devices=0", r"device\.num_devices: .*from 1 to 256 or null, but got 0"),
    "many devices": ("device.num_devices=64", r"device\.num_devices: this process already runs with"),
    "folder for a store": ("tracking.uri=./mlruns", r"tracking\.uri=\./mlruns: expected the address of a server"),
    "a database that is away": (
        "tracking.uri=postgresql://nobody@127.0.0.1:9/none",
        r"tracking\.uri=postgresql://\S*127\.0\.0\.1:9/none: expected a store to record the run in",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_and_nothing_left(case: str, folder: Path) -> None:
    words, sentence = CASES[case]
    there = sorted(folder.rglob("*"))
    said = credo("device.compilation_cache=null", *shlex.split(words), cwd=folder)
    assert said.code == 2, said
    assert re.fullmatch(r"credo: [^\n]+\n", said.err), said.err
    assert re.search(sentence, said.err), said.err
    assert said.out == ""
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in there if "__pycache__" not in path.parts
    ]


@pytest.mark.parametrize(
    "value", ["ü/d.csv", "a=b.csv", "a(1).csv", "~/d.csv", "it's.csv", 'a"b.csv', "a'b\"c(", "{a}.csv", "a,b", ";", ","]
)
def test_the_quoting_that_is_shown_works(value: str) -> None:
    (word,) = shlex.split(in_quotes(f"data.path={value}"))
    override = OverridesParser.create().parse_override(word)
    assert (override.key_or_group, str(override.value())) == ("data.path", value)


def test_there_is_something_to_vary_after_m(tmp_path: Path) -> None:
    said = credo("-m", cwd=tmp_path)
    assert (said.code, list(tmp_path.iterdir())) == (2, [])
    assert said.err == "credo: -m: expected values to vary, one run each, as in credo -m inference=map,nuts\n"


def test_the_real_command_says_the_same(folder: Path) -> None:
    words = ("+inference.drws=3", "device.compilation_cache=null")
    assert credo_process(*words, cwd=folder) == credo(*words, cwd=folder)
