"""A view as an HTML mail."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final

import css_inline
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from syncd.report.view import View

_TEMPLATES: Final = files("syncd.report").joinpath("templates")


def write(view: View) -> str:
    """Return a whole HTML document with inline style; every value is escaped."""
    return _template().render(view=view)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_styled(_read("digest.html.j2"), _read("digest.css"), _read("screen.css")))


def _styled(source: str, style: str, screen: str) -> str:
    """Put the style into the elements, once, before anything is filled in.

    The template keeps its tags in HTML comments, because a comment is the one thing that an HTML parser leaves in its
    place inside a table. What depends on the reader's screen, dark or narrow, cannot be inline.
    """
    inliner = css_inline.CSSInliner(extra_css=style, load_remote_stylesheets=False)
    styled = inliner.inline(source).replace("</head>", f"<style>{screen}</style></head>")
    return styled.replace("<!--{%", "{%").replace("%}-->", "%}")


def _read(name: str) -> str:
    return _TEMPLATES.joinpath(name).read_text(encoding="utf-8")
