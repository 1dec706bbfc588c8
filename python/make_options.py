"""Writes src/ferromq/options.py, the types of keyword arguments, from the tables of the installed native module.

    python make_options.py > src/ferromq/options.py

A test compares the two.
"""

from __future__ import annotations

from ferromq import _native

HEAD = '''"""Options of producers and consumers: keyword arguments of their constructors.

Written by make_options.py from the tables that all languages share. Durations are seconds, timedelta, or text with its unit
("500ms", "3s", "5m").
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias, TypedDict

Duration: TypeAlias = float | str | timedelta
'''
PLAIN = {
    "text": "str",
    "true or false": "bool",
    "duration": "Duration",
    "first, last, milliseconds since 1970": 'Literal["first", "last"] | int | datetime',
}
TYPES = {"producer": "ProducerOptions", "push": "PushOptions", "lite": "LiteOptions"}
WIDTH = 120


def type_of(accepts: str) -> str:
    """Python's type of what an option accepts."""
    if accepts in PLAIN:
        return PLAIN[accepts]
    if " to " in accepts:
        return "int"
    choices = ", ".join(f'"{choice}"' for choice in accepts.split(", "))
    return f"Literal[{choices}]"


def sentence(doc: str, accepts: str, default: str) -> list[str]:
    """The line, or lines, below an option."""
    if " to " in accepts:
        doc += f" {accepts}."
    if default:
        doc += f" Default: {default}."
    line = f'    """{doc}"""'
    if len(line) <= WIDTH:
        return [line]
    cut = line.rindex(" ", 0, WIDTH)
    return [line[:cut], "    " + line[cut + 1 :]]


def main() -> str:
    """The file."""
    lines = [HEAD]
    for kind, name in TYPES.items():
        what = {"producer": "producers", "push": "push consumers", "lite": "lite pull consumers"}[kind]
        lines += ["", f"class {name}(TypedDict, total=False):", f'    """Options of {what}."""', ""]
        for option, _, default, accepts, doc in _native.option_table(kind):
            if option != "namesrv":
                lines += [f"    {option}: {type_of(accepts)}", *sentence(doc, accepts, default)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(main(), end="")
