"""YAML as OmegaConf reads and writes it, of plain containers; libyaml parses it in a tenth of the time."""

from functools import cache
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf._utils import get_omega_conf_dumper, get_yaml_loader
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser
from yaml.resolver import Resolver


def parsed(text: str) -> Any:
    """What a text of YAML says, in plain containers; an empty one says `{}`.

    Raises:
        yaml.YAMLError: it is no YAML; with the lines that are wrong, which libyaml does not show.
    """
    try:
        found = yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader's constructors
    except yaml.YAMLError:
        found = OmegaConf.to_container(OmegaConf.create(text))
    return {} if found is None else found


def written(content: Any) -> str:
    """Plain containers as YAML, as `OmegaConf.to_yaml` has it."""
    text: str = yaml.dump(
        content, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=get_omega_conf_dumper()
    )
    return text


@cache
def _loader() -> type:
    """OmegaConf's, on libyaml's parser."""

    class Loader(CParser, get_yaml_loader()):  # type: ignore[misc]
        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return Loader
