"""Whether a value is what an annotation of the contract says. Small, for these annotations only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["a", "shape"]

Problem = tuple[str, str]
"""Where in the value, as Python writes it (`.items[0]`), and what is wrong there."""

Check = Callable[[Any], Problem | None]


@cache
def shape(kind: Any) -> Check:
    """What checks that a value is of this kind: it returns None, or where it is not and how."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: None
    if origin in (UnionType, Union):  # the latter where a part is generic
        return _union(kind, arguments)
    if origin in (tuple, Sequence):
        return _items(origin, arguments[0])
    if origin is Mapping:
        return _mapping
    if is_dataclass(origin or kind):
        return _record(origin or kind, arguments)
    return _plain(Callable if origin is Callable else kind)


def a(value: object) -> str:
    """The kind of a value with its article, for a sentence."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _not(value: object, wanted: str) -> Problem:
    return "", f"{a(value)} where the contract has {wanted}"


def _plain(kind: type) -> Check:
    wanted = "None" if kind is NoneType else kind.__name__
    accepted = (float, int) if kind is float else kind

    def check(value: Any) -> Problem | None:
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)):
            return None
        return _not(value, wanted)

    return check


def _union(kind: UnionType, options: tuple[Any, ...]) -> Check:
    checks = [shape(option) for option in options]

    def check(value: Any) -> Problem | None:
        problems = []
        for each in checks:
            problem = each(value)
            if problem is None:
                return None
            problems.append(problem)
        deepest = max(problems)
        return deepest if deepest[0] else _not(value, _written(kind))

    return check


def _written(kind: UnionType) -> str:
    names = ["None" if each is NoneType else each.__name__ for each in get_args(kind)]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _items(container: type, kind: Any) -> Check:
    inner = shape(kind)

    def check(value: Any) -> Problem | None:
        right: bool = isinstance(value, container)
        if not right or isinstance(value, str | bytes):
            return _not(value, f"a {container.__name__.lower()}")
        for number, item in enumerate(value):
            problem = inner(item)
            if problem:
                return f"[{number}]{problem[0]}", problem[1]
        return None

    return check


def _mapping(value: Any) -> Problem | None:
    if not isinstance(value, Mapping):
        return _not(value, "a mapping")
    for key in value:
        if not isinstance(key, str):
            return f"[{key!r}]", f"{a(key)} as a key where the contract has str"
    return None


def _record(cls: type, arguments: tuple[Any, ...]) -> Check:
    hints = get_type_hints(cls)
    parameters = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=True))
    checks = [(field.name, shape(_filled(hints[field.name], parameters))) for field in fields(cls)]

    def check(value: Any) -> Problem | None:
        if not isinstance(value, cls):
            return _not(value, f"a {cls.__name__}")
        for name, each in checks:
            problem = each(getattr(value, name))
            if problem:
                return f".{name}{problem[0]}", problem[1]
        return None

    return check


def _filled(hint: Any, parameters: dict[TypeVar, Any]) -> Any:
    """The annotation of a field of a generic class, with what its variables stand for."""
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(parameters[each] for each in variables)] if variables else hint
