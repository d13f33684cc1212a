"""The options of credo's groups, which no test changes, are loaded once by a process, not for each composition anew.

Where a test has a folder of its own, all is loaded as users load it.
"""

from pathlib import Path

from hydra._internal.config_repository import ConfigRepository
from hydra.plugins.config_source import ConfigResult, ConfigSource

ROOT = Path(__file__).parents[1]

_load = ConfigRepository.load_config
_loaded: dict[tuple[object, ...], ConfigResult] = {}


def load_config(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
    """What stands in a file."""
    sources = [source for source in repository.get_sources() if source.available()]
    if not all(map(_is_ours, sources)):
        return _load(repository, config_path)
    key = (config_path, *((source.scheme(), source.path) for source in sources))
    if key in _loaded:
        return _loaded[key]
    result = _load(repository, config_path)
    if result is not None and _is_copied(config_path, result):
        _loaded[key] = result
    return result


def _is_ours(source: ConfigSource) -> bool:
    return source.scheme() in ("pkg", "structured") or Path(source.path).is_relative_to(ROOT)


def _is_copied(config_path: str, result: ConfigResult) -> bool:
    """Whether Hydra puts a copy below a key; what goes to the root it takes itself, and writes overrides into it.

    What a command registers is its own.
    """
    is_registered = result.path.startswith("structured:")
    return "/" in config_path and result.header["package"] is None and not is_registered


ConfigRepository.load_config = load_config
