"""Docstrings as Markdown: roles become code or formulas, doctests blocks; a setting's description is its docstring."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

MATH = re.compile(r":math:`([^`]*)`")
ROLE = re.compile(r":(?:class|func|meth|data|attr|mod|exc):`~?([^`]*)`")
DOCTEST = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)


def as_markdown(docstring: str) -> str:
    """Write a docstring as Markdown.

    >>> as_markdown("See :func:`len`, :math:`a_t`.")
    'See `len`, $a_t$.'
    """
    text = ROLE.sub(r"`\1`", MATH.sub(r"$\1$", docstring))
    return DOCTEST.sub(lambda found: f"{found[1]}```pycon\n{found[0]}\n{found[1]}```", text)


def setting(call: griffe.ExprCall) -> tuple[str | griffe.Expr, str]:
    """The default and the description of a setting, of `Field(default, ..., description="...")`."""
    named = {argument.name: argument.value for argument in call.arguments if isinstance(argument, griffe.ExprKeyword)}
    plain = [argument for argument in call.arguments if not isinstance(argument, griffe.ExprKeyword)]
    default = plain[0] if plain else named.get("default", "...")
    return default, ast.literal_eval(str(named["description"]))


class Docstrings(griffe.Extension):
    """Does so with every docstring that is read."""

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Describe a setting of a run."""
        if isinstance(attr.value, griffe.ExprCall) and str(attr.value.function) == "Field":
            attr.value, description = setting(attr.value)
            attr.docstring = griffe.Docstring(description, parent=attr)

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object, in place."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
