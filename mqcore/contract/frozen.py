"""Frozen values that are made in bulk."""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

__all__ = ["made_quickly"]

T = TypeVar("T")


def made_quickly(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots an `__init__` that takes less than half the time.

    That of `dataclass` has `object.__setattr__` find each field by its name; this one sets the
    slots. Defaults are values: there is no `default_factory` and no `__post_init__`.
    """
    own: Any = cls
    known: dict[str, Any] = {}
    parameters, steps = [], []
    for field in fields(own):
        name = field.name
        known[f"__set_{name}"] = own.__dict__[name].__set__
        steps.append(f"__set_{name}(self, {name})")
        if field.default is MISSING:
            parameters.append(name)
        else:
            known[f"__default_{name}"] = field.default
            parameters.append(f"{name}=__default_{name}")
    exec(f"def __init__(self, {', '.join(parameters)}): {'; '.join(steps)}", known)  # noqa: S102
    own.__init__ = known["__init__"]
    own.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return cls
