"""From a model formula and a table to arrays, by the library formulae; nothing of a formula is evaluated as Python."""
