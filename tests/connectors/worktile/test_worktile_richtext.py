"""Plain text of the editor's nodes, of text with mentions, and of whatever else may stand there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.worktile.richtext import plain


def block(kind: str, *children: Any) -> dict[str, Any]:
    return {"type": kind, "key": "k", "children": list(children)}


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([block("paragraph", {"text": "one"}), block("paragraph", {"text": "two"})], "one\ntwo"),
        ([block("paragraph", {"text": "a "}, {"text": "bold", "bold": True})], "a bold"),
        ([block("bulleted-list", block("list-item", {"text": "x"}), block("list-item", {"text": "y"}))], "• x\n• y"),
        ([block("paragraph", {"type": "link", "url": "https://x.test", "children": [{"text": "here"}]})], "here"),
        ([block("paragraph", {"type": "link", "url": "https://x.test", "children": [{"text": ""}]})], "https://x.test"),
        ([block("paragraph", {"type": "emoji", "code": "tada", "children": [{"text": ""}]})], ":tada:"),
        ([block("paragraph", {"type": "mention", "children": [{"text": "李娜"}]})], "@李娜"),
        ([block("image", {"text": ""})], None),
        ([{"type": ["odd"], "text": "of no known kind"}], "of no known kind"),
        ([], None),
    ],
)
def test_nodes_become_lines(nodes: list[Any], text: str | None) -> None:
    assert plain(json.dumps(nodes)) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Confirm load chart first.", "Confirm load chart first."),
        ("请 [@3c1f0a7d9b2e4c5f|王丽] 看一下", "请 @王丽 看一下"),
        ("请 [@3c1f0a7d9b2e4c5f] 看一下", "请 @3c1f0a7d 看一下"),
        ("[1] is a footnote", "[1] is a footnote"),
        ("[1, 2]", "[1, 2]"),
        ('["a"]', '["a"]'),
        ('[{"a": 1}]', '[{"a": 1}]'),
        ("[" * 5000, "[" * 5000),
        ("  ", None),
        ("", None),
        (None, None),
        (12, None),
    ],
)
def test_everything_else_stays_text(content: Any, text: str | None) -> None:
    assert plain(content) == text


def test_depth_is_bounded() -> None:
    node: Any = {"text": "deep"}
    for _ in range(100):
        node = {"children": [node]}

    assert plain(json.dumps([node])) is None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["type", "text", "children", "data", "name", "code", "url"]), inner
), max_leaves=20))  # fmt: skip
def test_no_json_breaks_it(value: Any) -> None:
    found = plain(json.dumps(value))

    assert found is None or found.strip() == found
