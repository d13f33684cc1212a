"""Whether a user's code only computes, so that what is traced from it follows from its source."""

import ast

from credo.runs.code.record import Code

_MODULES = {
    *("__future__", "abc", "collections", "dataclasses", "enum", "functools", "itertools", "math", "typing"),
    *("equinox", "jax", "jaxtyping", "numpy", "numpyro", "optax"),
    *("credo.energies", "credo.errors", "credo.models", "credo.networks", "credo.ranges"),
}
"""What code may import that computes from its arguments and from what stands in it, and from nothing else."""

_READS = {
    *(
        "__import__",
        "compile",
        "environ",
        "eval",
        "exec",
        "getattr",
        "getenv",
        "globals",
        "input",
        "locals",
        "open",
        "vars",
    ),
    *("fromfile", "fromregex", "genfromtxt", "load", "loads", "loadtxt", "memmap", "open_memmap", "default_rng"),
    *("RandomState", "callback", "io_callback", "pure_callback", "default_backend", "device_count", "devices"),
}
"""Names by which code reads what is not written in it."""


def only_computes(code: Code) -> bool:
    """Whether what the user's code traces follows from what a run records of it: it reads no file, clock or dice."""
    if code.unknown or code.packages:
        return False
    own = {place.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for place in code.sources}
    return all(place.endswith(".py") and _is_plain(source, own) for place, source in code.sources.items())


def _is_plain(source: bytes, own: set[str]) -> bool:
    """Whether a module imports and names nothing by which it could read something else."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                if any(one.asname == "jax" for one in names):
                    return False
                modules = [one.name for one in names]
            case ast.ImportFrom(module=module, level=0):
                modules = [f"{module}.{one.name}" for one in node.names]
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _READS:
                return False
            case ast.Attribute(attr="random", value=ast.Name(id=library)) if library != "jax":
                return False  # NumPy's, by whatever name
            case ast.Global() | ast.Nonlocal():
                return False
            case _:
                continue
        if not all(_is_allowed(module.split("."), own) for module in modules):
            return False
    return True


def _is_allowed(parts: list[str], own: set[str]) -> bool:
    """Whether a module, or a name in one, may be imported."""
    parents = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return bool(parents & (_MODULES | own)) and not _READS & set(parts) and parts[:2] != ["numpy", "random"]
