"""What a class is called on the command line."""

import re
from typing import Any, ClassVar


def named(cls: type) -> str:
    """The class's name in small letters.

    Example:
        >>> class NormalInverseGamma: ...
        >>> named(NormalInverseGamma)
        'normal_inverse_gamma'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


class Named:
    """A part with a word of its own on the command line: the class's name, unless it says another."""

    name: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = named(cls)
