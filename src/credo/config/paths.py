"""Where configurations are found: the user's own folder first, then the built-in ones (of a checkout or a wheel).

Both may have `conf/` (groups) and `experiments/` (the options of `experiment`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

import credo

_PACKAGE = Path(credo.__file__).parent
_CHECKOUT = _PACKAGE.parent.parent


def built_in() -> Path:
    """The folder with the built-in `conf/` and `experiments/`: the checkout's, or the wheel's copy."""
    return _CHECKOUT if (_CHECKOUT / "conf" / "config.yaml").is_file() else _PACKAGE / "bundled"


def folders() -> tuple[Path, ...]:
    """The folders that may hold `conf/` and `experiments/`, those that win first."""
    here = Path.cwd()
    return (built_in(),) if here.resolve() == built_in().resolve() else (here, built_in())


def foreign() -> Path | None:
    """The `conf/config.yaml` of another project in the folder where credo was started, if there is one.

    One that is meant for credo begins as the built-in one does, with `/schema/credo`.
    """
    file = folders()[0] / "conf" / "config.yaml"
    is_own = folders()[0] == built_in() or not file.is_file() or "/schema/credo" in file.read_text(errors="replace")
    return None if is_own else file


def groups() -> set[str]:
    """The groups of the configuration, the user's own as well."""
    inside = {file.name for folder in folders() for file in (folder / "conf").glob("*") if file.is_dir()}
    return inside | {"experiment"}


def of_word(group: str, word: str) -> Path | None:
    """The file of a word: `experiments/WORD.yaml` or `conf/GROUP/WORD.yaml` of the first folder that has it."""
    where = "experiments" if group == "experiment" else f"conf/{group}"
    return next((file for folder in folders() if (file := folder / where / f"{word}.yaml").is_file()), None)


def settings(group: str, word: str) -> dict[str, Any]:
    """What the file of a word says itself, without its defaults; empty where there is no such file.

    Args:
        group: `inference`, say, or `experiment`.
        word: the file's name.
    """
    file = of_word(group, word)
    said: Any = {} if file is None else OmegaConf.to_container(OmegaConf.load(file))
    return dict(said)


class OwnSource(FileConfigSource):
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
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True)


def _sweep_folder(earlier: str | None, new: str) -> str:
    """Where a sweep leaves its files: where an earlier one did, by folder or MLflow id, or a new place."""
    if earlier is None:
        return new
    from credo.experiment import resume

    return str(resume.folder(str(earlier)))
