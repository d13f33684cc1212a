"""The site, made by `make docs`: pages that run, and a reference that the configuration and the code write."""

import os
import sys
import zlib
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for `!credo` in pages that run
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "COLUMNS": "80",
    "TERM": "dumb",
    "PYTHONWARNINGS": "ignore:IProgress",
}

import llms  # noqa: E402
import reference  # noqa: E402

import credo  # noqa: E402

project = "credo"
author = "the credo authors"
version = release = credo.__version__
copyright = author  # noqa: A001 - Sphinx calls it so

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "terminal",
]
exclude_patterns = ["_build", "_ext", "inventories"]
default_role = "code"  # docstrings have Markdown's single backticks

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"credo {release}"
html_static_path = ["_static"]
html_css_files = ["credo.css"]
html_copy_source = True
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"

SITES = {
    "python": "https://docs.python.org/3",
    "numpyro": "https://num.pyro.ai/en/stable",
    "arviz": "https://python.arviz.org/en/latest",
    "xarray": "https://docs.xarray.dev/en/stable",
    "pandas": "https://pandas.pydata.org/docs",
}


def _inventory(name: str) -> str:
    """The names of another site that are linked without a network, from the list in `inventories`."""
    lines = (HERE / "inventories" / f"{name}.txt").read_text(encoding="utf-8")
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: \n# The remainder is compressed using zlib.\n"
    file = HERE / "_build" / "inventories" / f"{name}.inv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(head.encode() + zlib.compress(lines.encode()))
    return str(file)


# What the site itself says is asked first, and where it is out of reach the list answers.
intersphinx_mapping = {name: (site, (None, _inventory(name))) for name, site in SITES.items()}
intersphinx_timeout = 3


def setup(app: Sphinx) -> None:
    """Write the reference and the measured tables before the pages are read, `llms.txt` after."""
    reference.write(Path(app.srcdir) / "reference")
    _write_measured(Path(app.srcdir) / "measured")
    app.connect("build-finished", _write_llms)


def _write_measured(folder: Path) -> None:
    """A page for each table of `experiments/benchmarks`."""
    for table in sorted((HERE.parent / "experiments" / "benchmarks").glob("*.md")):
        text = f"```{{include}} ../../experiments/benchmarks/{table.name}\n:relative-images:\n```\n"
        (folder / table.name).write_text(text, encoding="utf-8")


def _write_llms(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        titles = {place: title.astext() for place, title in app.env.titles.items()}
        written = [place for place in titles if (Path(app.outdir) / "_sources" / f"{place}.md").exists()]
        (Path(app.outdir) / "llms.txt").write_text(llms.text(titles, written), encoding="utf-8")
