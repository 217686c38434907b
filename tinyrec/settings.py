"""One check for every config: a field's annotation says what its value may be."""

import math
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints


class Range(NamedTuple):
    """What a number may be: finite, from `low` to `high`; `open`: below `high`."""

    low: float
    high: float = math.inf
    open: bool = False


Count = Annotated[int, Range(0)]  # a whole number, 0 or more
Size = Annotated[int, Range(1)]  # a whole number, 1 or more
Number = Annotated[float, Range(0)]
Real = Annotated[float, Range(-math.inf)]
Share = Annotated[float, Range(0, 1)]
Decay = Annotated[float, Range(0, 1, open=True)]


def check_fields(config) -> None:
    """ValueError, naming the field, where a value is not what its annotation allows.

    Annotations are the names above, Literal for a choice, classes, a tuple[...] of as many of these
    as it has parts, and any of them `| None`.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for name in (field.name for field in fields(config)):
        value, hint = getattr(config, name), hints[name]
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if not any(fits(value, option) for option in options):
            wanted = " or ".join(in_words(option) for option in options)
            raise ValueError(f"{type(config).__name__}.{name} is {value!r}; expected {wanted}")


def fits(value, hint) -> bool:
    if get_origin(hint) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if get_origin(hint) is Annotated:
        kind, (low, high, open) = get_args(hint)
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            return False
        return math.isfinite(value) and low <= value and (value < high if open else value <= high)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return (
            isinstance(value, tuple) and len(value) == len(parts) and all(map(fits, value, parts))
        )
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def in_words(hint) -> str:
    if hint is NoneType:
        return "None"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(repr(choice) for choice in get_args(hint))}"
    if get_origin(hint) is Annotated:
        kind, (low, high, open) = get_args(hint)
        what = "a whole number" if kind is int else "a number"
        if high == math.inf:
            return what if low == -math.inf else f"{what} of at least {low}"
        return f"{what} from {low} to {'below ' if open else ''}{high}"
    if get_origin(hint) is tuple:
        return f"a tuple of {', '.join(map(in_words, get_args(hint)))}"
    return hint.__name__
