"""Where a user's own modules are found: by their files in the folder where credo was started.

That folder stands last in `sys.path`, so that a file there takes no other module's name away. A user's `statistics.py`
is loaded from its file all the same, as `credo_user.statistics`: the user who names it gets it, and a library that
imports `statistics` gets Python's own.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

LONGEST = 250
"""No file's name is longer, and so no module's."""

USER = "credo_user"
"""A package that holds the modules of the folder where credo was started."""

OWN = ("credo", "hydra_plugins", USER)


def make_importable(start_folder: Path, *others: Path) -> None:
    """Let modules be imported from the folder where credo was started, and from others.

    Args:
        start_folder: whose files are meant by their names.
        others: folders that are looked into after it.
    """
    sys.path += [str(folder) for folder in (start_folder, *others) if str(folder) not in sys.path]
    importlib.invalidate_caches()
    if _start_folder() != start_folder:
        for name in [name for name in sys.modules if name.startswith(f"{USER}.")]:
            del sys.modules[name]
        package = ModuleType(USER, "The modules of the folder where credo was started.")
        package.__spec__ = ModuleSpec(USER, None, is_package=True)
        package.__path__ = package.__spec__.submodule_search_locations = [str(start_folder)]
        sys.modules[USER] = package


def forget(folder: Path) -> None:
    """Unload the modules of a folder that goes away."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
        if any(Path(place).is_relative_to(folder) for place in places):
            del sys.modules[name]


def importable(reference: str) -> str:
    """The name under which Python imports what a user calls `reference`.

    Args:
        reference: a module, or an object in it: `models.mine` or `models.mine.Mine`.

    Returns:
        The same, or `credo_user.` and the same where Python finds another module by the name of the user's file.
    """
    folder, head = _start_folder(), reference.partition(".")[0]
    if folder is None or head in OWN or not _has(folder, reference):
        return reference
    found = find(head)
    return reference if found is not None and _is_at(found, folder / head) else f"{USER}.{reference}"


def typed(name: str) -> str:
    """What the user calls the module that Python imports as `name`."""
    return name.removeprefix(f"{USER}.")


def import_module(name: str) -> ModuleType:
    """Import the module that a user calls `name`."""
    return importlib.import_module(importable(name))


def hidden(error: BaseException) -> str:
    """What to say where a module of the user's is missing because another one has its name; empty elsewhere."""
    name = error.name if isinstance(error, ImportError) else None
    if name is None or importable(name) == name:
        return ""
    return f"; the folder has a {name} of its own, but {name} is another module to those who import it: rename it"


def find(name: str) -> ModuleSpec | None:
    """Where Python would import a module from; nothing is imported, not even its package."""
    if (spec := getattr(sys.modules.get(name), "__spec__", None)) is not None:
        return spec
    parent, path = name.rpartition(".")[0], None
    if parent:
        package = find(parent)
        if package is None or package.submodule_search_locations is None:
            return None
        path = list(package.submodule_search_locations)
    for finder in sys.meta_path:
        if (find_spec := getattr(finder, "find_spec", None)) and (found := find_spec(name, path)) is not None:
            return found
    return None


def _start_folder() -> Path | None:
    package = sys.modules.get(USER)
    return None if package is None else Path(package.__path__[0])


def _has(folder: Path, reference: str) -> bool:
    """Whether a module in the folder is meant: `a.b.C` may be in `a.py`, `a/b.py` or `a/b/__init__.py`."""
    parts = reference.split(".")
    if not all(part.isidentifier() and len(part) < LONGEST for part in parts):
        return False
    places = [folder.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(place.with_suffix(".py").is_file() or (place / "__init__.py").is_file() for place in places)


def _is_at(spec: ModuleSpec, place: Path) -> bool:
    """Whether a module is the file or the folder at a place."""
    folders = [Path(one) for one in spec.submodule_search_locations or ()]
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    return place in folders or (file is not None and file.parent == place.parent)
