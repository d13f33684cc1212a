"""The source of a function and of all that it reads, as one module."""

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from credo.errors import ConfigError


def text(call: str, function: Any) -> str:
    """A module that holds a function, for which everything that it reads is there.

    Args:
        call: the name of the call that was given the function, for messages.
        function: of a notebook, of a script, or within another function.

    Raises:
        ConfigError: its source is not known, or it reads an object that has none.
    """
    writer = _Writer(call, function.__name__)
    writer.add_source(function.__name__, function)
    head = f'"""{function.__name__}, as {call} was given it."""\n'
    return "\n".join([head, *sorted(writer.imports), *writer.values, "", *writer.parts])


@dataclass
class _Writer:
    """What is collected.

    Attributes:
        call: for messages.
        function: the name of the function.
        imports: lines.
        values: lines that give constants.
        parts: sources of functions and classes, each after those that it reads.
        known: what each name stands for.
    """

    call: str
    function: str
    imports: set[str] = field(default_factory=set)
    values: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)

    def add_source(self, name: str, value: Any) -> None:
        """Add a function or a class, and before it what it reads."""
        self.known[name] = value
        source = self._source(name, value)
        inner = inspect.unwrap(value)
        around = dict(getattr(inner, "__globals__", None) or vars(sys.modules[inner.__module__]))
        if inspect.isfunction(inner):
            around |= inspect.getclosurevars(inner).nonlocals
        for used in _names(source):
            if used in around and used != name:
                self._add(used, around[used])
        self.parts.append(f"\n{source}")

    def _add(self, name: str, value: Any) -> None:
        if name in self.known:
            if self.known[name] is not value:
                raise self._refusal(name, "is two things in the functions that are used; rename one")
            return
        if getattr(builtins, name, None) is value:
            return
        if isinstance(value, ModuleType):
            self.known[name] = value
            self.imports.add(f"import {value.__name__}" if value.__name__ == name else _import_as(value.__name__, name))
        elif (module := _importable(value)) is not None:
            self.known[name] = value
            own = value.__qualname__
            self.imports.add(f"from {module} import {own}" + ("" if own == name else f" as {name}"))
        elif inspect.isroutine(inspect.unwrap(value)) or inspect.isclass(value):
            self.add_source(name, value)
            if inspect.unwrap(value).__name__ != name:
                self.parts.append(f"\n{name} = {inspect.unwrap(value).__name__}\n")
        else:
            self.known[name] = value
            self.values.append(f"{name} = {self._constant(name, value)}")

    def _source(self, name: str, value: Any) -> str:
        try:
            source = textwrap.dedent(inspect.getsource(inspect.unwrap(value)))
            tree = ast.parse(source)
        except (OSError, TypeError, SyntaxError) as error:
            raise self._refusal(name, f"has no source that can be kept ({error}); write it into a file") from error
        if not isinstance(tree.body[0], ast.FunctionDef | ast.ClassDef):
            raise self._refusal(name, "is a lambda, whose source cannot be kept; write a function (def)")
        return source

    def _constant(self, name: str, value: Any) -> str:
        written = repr(value.item() if isinstance(value, np.generic) else value)
        try:
            if ast.literal_eval(written) == value:
                return written
        except (ValueError, SyntaxError, TypeError, MemoryError):
            pass
        kind = f"an object of the class {type(value).__name__}"
        raise self._refusal(
            name, f"is {kind}, which a run cannot keep; make it an argument of the function, and give it as data"
        )

    def _refusal(self, name: str, why: str) -> ConfigError:
        what = "it" if name == self.function else f"it reads {name!r}, which"
        return ConfigError(f"{self.call}: model={self.function}: {what} {why}")


def _names(source: str) -> list[str]:
    """All names that a source reads from around it, each once."""
    top = symtable.symtable(source, "<given>", "exec")
    tables, names = [top], dict.fromkeys(one.get_name() for one in top.get_symbols() if not one.is_assigned())
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names |= dict.fromkeys(one.get_name() for one in table.get_symbols() if table is not top and one.is_global())
    return list(names)


def _importable(value: Any) -> str | None:
    """The module of which a function, a class or another object is a part by its own name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not name.isidentifier() or module == "__main__":
        return None
    return module if getattr(sys.modules.get(module), name, None) is value else None


def _import_as(module: str, name: str) -> str:
    parent, _, last = module.rpartition(".")
    return f"from {parent} import {last}" if parent and last == name else f"import {module} as {name}"
