"""One check for every config: the types and ranges of a dataclass's fields."""

import math
from dataclasses import fields
from types import UnionType
from typing import get_args, get_origin, get_type_hints


def check_fields(
    config, positive: tuple[str, ...] = (), choices: dict[str, tuple] | None = None
) -> None:
    """ValueError, naming the field, where a value is not of its annotated type or out of range.

    Numbers must be finite and at least 0, those named in `positive` at least 1; `choices` lists allowed values.
    """
    hints = get_type_hints(type(config))
    for name in (field.name for field in fields(config)):
        value, kind = getattr(config, name), hints[name]
        allowed = get_args(kind) if isinstance(kind, UnionType) else (get_origin(kind) or kind,)
        if float in allowed:
            allowed += (int,)
        minimum = 1 if name in positive else 0
        if name in (choices or {}):
            right, wanted = value in choices[name], f"one of {choices[name]}"
        elif isinstance(value, bool) or not {int, float} & set(allowed) or value is None:
            right = isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
            wanted = " or ".join(a.__name__ for a in allowed)
        else:
            right = isinstance(value, allowed) and math.isfinite(value) and value >= minimum
            wanted = f"a {'whole ' if float not in allowed else ''}number of at least {minimum}"
        if not right:
            raise ValueError(f"{type(config).__name__}.{name} is {value!r}; expected {wanted}")
