"""Pages by their templates, which escape everything that came from outside."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template

SHARED = "credo.report.run"
"""The package whose templates those of all others may include."""


def template(name: str, package: str = SHARED) -> "Template":
    """The template of a package; it is compiled once by a process."""
    return _environment(package).get_template(name)


@cache
def _environment(package: str) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, PackageLoader  # takes time to load

    loader = ChoiceLoader([PackageLoader(one) for one in dict.fromkeys((package, SHARED))])
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, optimized=False)
