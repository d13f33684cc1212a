"""Where Hydra finds configurations: the folders of `paths`, with the types of the options that name a class."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from credo.config import schema
from credo.config.parsing import parsed
from credo.config.paths import PARTIAL, built_in, folders, foreign

TYPES = "schema/"


class TypedSource(FileConfigSource):
    """Serves files as Hydra does, and the types of an option that names a class as `schema/GROUP/OPTION`."""

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a file, or such types."""
        if config_path.startswith(TYPES) and config_path != f"{TYPES}credo":
            return self._types(config_path.removeprefix(TYPES).removesuffix(".yaml")) is not None
        return super().is_config(config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a file, with the types of its keys first among its defaults; or types."""
        path = config_path.removesuffix(".yaml")
        if path.startswith(TYPES):
            node = OmegaConf.structured(self._types(path.removeprefix(TYPES)))
            return ConfigResult(provider=self.provider, path=self.path, config=node, header={"package": None})
        content = _content(Path(self.path) / f"{path}.yaml")
        if "/" not in path or content is None:
            return super().load_config(config_path)
        inner = [key for key, one in content.items() if isinstance(one, dict) and "_target_" in one]
        typed = [f"/{TYPES}{path}/{key}@{key}" for key in inner if self._types(f"{path}/{key}") is not None]
        if not self._given(path, content)[1] and self._types(path) is not None:
            typed.insert(0, f"/{TYPES}{path}@_here_")
        items = content.get("defaults", ["_self_"])
        whole = [item for item in items if isinstance(item, str) and "/*@" in item]
        listed = [item for item in items if item not in whole]
        content = {**content, "defaults": [*typed, *listed]} if "defaults" in content or typed else content
        header = self._get_header_dict((Path(self.path) / f"{path}.yaml").read_text(encoding="utf-8")[:512])
        config = OmegaConf.merge(*(self._whole_folder(path, item) for item in whole), OmegaConf.create(content))
        return ConfigResult(self.provider, f"{self.scheme()}://{self.path}", config, header)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The options and groups, without the folders whose files are parts of options."""
        inside = Path(self.path) / config_path
        found = super().list(config_path, results_filter)
        return [one for one in found if one not in PARTIAL or not (inside / one).is_dir()]

    def _types(self, path: str) -> type | None:
        """The types of an option, or of a part inside of one (`GROUP/OPTION/KEY`)."""
        group, _, key = path.rpartition("/")
        content = _content(Path(self.path) / f"{path}.yaml")
        if content is not None:
            return schema.types(group, _settings(content), self._given(path, content)[0])
        part = (_content(Path(self.path) / f"{group}.yaml") or {}).get(key)
        return schema.types(group, part, set(part)) if isinstance(part, dict) else None

    def _whole_folder(self, path: str, item: str) -> DictConfig:
        """What `check/*@checks` stands for: all files of a folder by their names, each with the types of its class.

        They are read here at once, since Hydra takes 5 ms for each file that is listed.
        """
        folder, _, package = item.partition("/*@")
        group = f"{path.rpartition('/')[0]}/{folder}"
        files = {file.stem: file for place in self._places()[::-1] for file in (place / group).glob("*.yaml")}
        parts = []
        for name, file in files.items():
            settings, status = _content(file) or {}, file.stat()
            types = schema.types(group, settings, set(settings))
            parts.append((name, types, file, status.st_mtime_ns, status.st_size))
        return _together(package, *parts)

    def _given(self, path: str, config: Mapping[str, Any]) -> tuple[set[str], bool]:
        """The keys that a file and its bases give, and whether a base has types already."""
        keys, is_typed = {str(key) for key in config if key != "defaults"}, False
        for item in config.get("defaults", ()):
            name, _, package = str(item if isinstance(item, str) else next(iter(item))).partition("@")
            if name == "_self_" or name.startswith("override "):
                continue
            if package != "_here_" and (package or "/" in name):
                keys |= {package.partition(".")[0]} - {"_global_"}
            elif isinstance(item, str):
                more, below = self._given_by(name[1:] if name.startswith("/") else f"{path.rpartition('/')[0]}/{name}")
                keys, is_typed = keys | more, is_typed or below
        return keys, is_typed

    def _given_by(self, base: str) -> tuple[set[str], bool]:
        if base.startswith(TYPES):
            return set(), True
        content = next(
            (content for place in self._places() if (content := _content(place / f"{base}.yaml")) is not None), {}
        )
        keys, is_typed = self._given(base, content)
        return keys, is_typed or "_target_" in content

    def _places(self) -> Sequence[Path]:
        return [Path(self.path), *(folder / "conf" for folder in folders())]


def _content(file: Path) -> dict[str, Any] | None:
    """What a file says itself, its defaults included; `None` where there is no such file, or no mapping in it."""
    try:
        status = file.stat()
    except OSError:
        return None
    return _read(file, status.st_mtime_ns, status.st_size)


@cache
def _read(file: Path, *_version: int) -> dict[str, Any] | None:
    content = parsed(file.read_text(encoding="utf-8"))
    return {str(key): one for key, one in content.items()} if isinstance(content, dict) else None


@cache
def _together(package: str, *parts: tuple[str, type | None, Path, int, int]) -> DictConfig:
    """The settings of all parts by their names, each with its types; to be copied, as `OmegaConf.merge` does."""
    inside = {}
    for name, types, file, *version in sorted(parts, key=lambda part: _order(part[2])):
        settings = _read(file, *version) or {}
        inside[name] = OmegaConf.merge(OmegaConf.structured(types) if types else {}, settings)
    return OmegaConf.create({package: inside})


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in content.items() if key != "defaults"}


def _order(file: Path) -> tuple[float, str]:
    """Where a file stands among those of its folder: by its line `# @order NUMBER`, then by its name."""
    found = re.search(r"^# @order (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return float(found[1]) if found else math.inf, file.stem


class OwnSource(TypedSource):
    """Serves a user's folder `conf/` but for a `config.yaml` of another project (`own:///folder`)."""

    @staticmethod
    def scheme() -> str:
        """The scheme of these search path entries."""
        return "own"

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a file, and it is meant for credo."""
        return super().is_config(config_path) and not (config_path in ("config", "config.yaml") and foreign())


class ExperimentSource(FileConfigSource):
    """Serves the files of a folder `experiments/` as the group `experiment` (`experiments:///folder`)."""

    @staticmethod
    def scheme() -> str:
        """The scheme of these search path entries."""
        return "experiments"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load an experiment, whose keys count from the top, as with Hydra's line `# @package _global_`."""
        result = super().load_config(_inside(config_path))
        return replace(result, header=result.header | {"package": result.header["package"] or "_global_"})

    def available(self) -> bool:
        """Whether the folder is there."""
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        """Only `experiment` is a group here."""
        return config_path == "experiment"

    def is_config(self, config_path: str) -> bool:
        """Whether an experiment of this name is there."""
        return config_path.startswith("experiment/") and super().is_config(_inside(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The experiments' names."""
        if config_path == "" and results_filter in {None, ObjectType.GROUP}:
            return ["experiment"]
        if config_path != "experiment" or results_filter == ObjectType.GROUP:
            return []
        return sorted(file.stem for file in Path(self.path).glob("*.yaml"))


def _inside(config_path: str) -> str:
    return config_path.removeprefix("experiment/")


class FolderSearchPath(SearchPathPlugin):
    """Puts the user's folders before the built-in ones."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """See the class."""
        for folder in reversed(folders()):
            if (folder / "experiments").is_dir():
                search_path.prepend("credo", f"experiments://{folder / 'experiments'}")
            if folder != built_in() and (folder / "conf").is_dir():
                search_path.prepend("credo", f"own://{folder / 'conf'}")


def register() -> None:
    """Make them known to Hydra."""
    plugins: Any = Plugins.instance()
    plugins.register(ExperimentSource)
    plugins.register(OwnSource)
    plugins.register(FolderSearchPath)
    SourcesRegistry.instance().types["file"] = TypedSource  # Hydra's own has the same scheme


# In the process of a launcher Hydra registers its own once more, which it takes for the same by its name alone.
TypedSource.__name__ = FileConfigSource.__name__
