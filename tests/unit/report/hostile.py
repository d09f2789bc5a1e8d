"""Text that vendors and people send and that must stay text."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    "@all",
    "<!channel>",
    "<@U1>",
    "[x](javascript:alert(1))",
    "![i](http://x/y.png)",
    "<b>",
    "</td>",
    "&lt;",
    "**",
    "__",
    "~~",
    "`",
    "```",
    "# ",
    "- ",
    "+ ",
    "1. ",
    "2) ",
    "> ",
    "---",
    "===",
    "|",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "http://evil.example",
    "www.evil.example",
    "a@evil.example",
    "#12",
    "$x$",
    "{{ x }}",
    "\u202e",
    "\u0000",
    "名",
    " ",
]
TEXT = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
