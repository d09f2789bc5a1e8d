"""What a message looks like, how it is cut, and that nothing in it calls anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack import Slack
from connectors.slack.fake import Fake
from connectors.slack.fake_rules import calls_in, fault_of, texts_of
from connectors.slack.message import compose
from connectors.slack.mrkdwn import escape, parse
from syncd.sdk import Command, RejectedError
from syncd.sdk.text import utf16_size

Make = Callable[..., Command]


def texts(message: dict[str, Any]) -> list[str]:
    return [text for block in message["blocks"] for text in texts_of(block)]


def test_a_digest_becomes_header_sections_and_small_print(post: Make) -> None:
    message = compose(post())

    assert [block["type"] for block in message["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "divider",
        "context",
    ]
    assert texts(message) == [
        "客户门户 · 第 10 周周报",
        "精密制造\n2 – 6 March",
        "*Needs you (1)*\n1. <https://pc.example/1|Which colour?> – waiting 3 days",
        "*Done (2)*\n• Login page – done 4 March\n• Order search – done 5 March",
        "*Agency*\nData as of 6 March",
    ]
    assert message["text"] == "[客户门户] 第 10 周 — 2 done"


@pytest.mark.parametrize(
    ("markdown", "lines"),
    [
        ("| Milestone | Plan | Now |\n|---|---|---|\n| Beta | 3 May | 9 May |", ["• Beta — Plan: 3 May, Now: 9 May"]),
        ("> **Late**  \n> PingCode was not read", ["> *Late*", "> PingCode was not read"]),
        ("3. c\n4. d\n   - e", ["3. c", "4. d", "  • e"]),
        ("- a\n\n  b", ["• a", "  b"]),
        ("▓▓░ **72%** · 18 of 25", ["▓▓░ 72% · 18 of 25"]),
        (r"1 \* 2 \_x\_ \[y\]", ["1 * 2 _x_ [y]"]),
        ("`a < b`", ["a &lt; b"]),
        ("```\nx & y\nz\n```", ["x &amp; y", "z"]),
        ("![chart](cid:1)", ["chart"]),
        ("[a|b > c](<https://x.example/?p=1&q=a|b>)", ["<https://x.example/?p=1&amp;q=a%7Cb|a|b &gt; c>"]),
        ("[x](javascript:alert(1))", ["[x](javascript:alert(1))"]),
        ("<b>raw</b>", ["&lt;b&gt;raw&lt;/b&gt;"]),
    ],
    ids=["table", "quote", "lists", "item", "bold", "escapes", "code", "fence", "image", "link", "no link", "html"],
)
def test_markdown_becomes_mrkdwn(markdown: str, lines: list[str]) -> None:
    assert parse(markdown).sections[0].lines == lines


def test_a_title_is_cut_for_the_header_but_no_character_is(post: Make) -> None:
    message = compose(post(markdown=f"# {'👩‍💻' * 80}\n\nx"))

    header = texts(message)[0]
    assert utf16_size(header) <= 150
    assert header == "👩‍💻" * 29 + "…"


def test_the_fallback_says_what_notifications_show_within_its_limit(post: Make) -> None:
    message = compose(post(title="<&>" * 2000, summary=""))

    assert len(message["text"]) <= 4000
    assert message["text"].startswith("&lt;&amp;&gt;")


def digest_of(sections: int, lines: int, width: int = 60) -> str:
    parts = [
        f"## Section {n}\n\n" + "\n".join(f"- {n}.{k} {'项' * width}" for k in range(lines)) for n in range(sections)
    ]
    return "# Title\n\n" + "\n\n".join(parts) + "\n\n---\n\nFoot\n"


@pytest.mark.parametrize(
    ("sections", "lines", "width"), [(3, 100, 60), (12, 40, 200), (60, 5, 10), (200, 2, 3), (1, 9, 5000)]
)
def test_a_message_always_fits(post: Make, sections: int, lines: int, width: int) -> None:
    message = compose(post(markdown=digest_of(sections, lines, width), more="还有 {n} 行"))

    assert fault_of(message) is None
    assert sum(map(utf16_size, texts(message))) <= 10_000
    assert texts(message)[-1] == "Foot"


def test_what_comes_first_counts_most_and_every_cut_is_told(post: Make) -> None:
    message = compose(post(markdown=digest_of(3, 100), more="还有 {n} 行"))

    sections = "\n".join(texts(message)[1:-1]).split("*Section ")[1:]
    counted = [section.count("• ") for section in sections]
    assert counted[0] == 100
    assert 3 < counted[1] < 100
    assert counted[2] == 3
    assert [section.strip().splitlines()[-1] for section in sections[1:]] == [
        f"还有 {100 - counted[1]} 行",
        "还有 97 行",
    ]


def test_sections_that_do_not_even_fit_by_their_headings_are_counted(post: Make) -> None:
    message = compose(post(markdown=digest_of(60, 5)))

    assert texts(message)[-2] == "… 100 more lines"


HOSTILE = [
    "<!channel>",
    "<!here|here>",
    "<@U0123>",
    "<!subteam^S1>",
    "@here",
    "@channel",
    "@everyone now",
    "&lt;!channel&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_vendor_text_never_calls_anybody(fake: Fake, slack: Slack, post: Make, text: str) -> None:
    parts = (
        f"# {text}",
        text,
        f"## {text}",
        f"- {text}\n- [{text}](<https://x.example/{text}>)",
        f"`{text}`",
        "---",
        text,
    )
    markdown = "\n\n".join(parts)

    slack.write(post(title=text, summary=text, markdown=markdown, more=text))

    assert fake.calls_fired == []


@given(st.text(st.sampled_from("ab<>@!U#*_`|-[]()\n\n \\\\&中😀1.:/h"), max_size=400), st.integers(1, 60))
def test_no_markdown_makes_a_message_that_slack_refuses_or_that_calls(text: str, times: int) -> None:
    command = Command(
        "post_message", "k", {"title": "T", "markdown": f"{text}\n\n|a|b|\n|-|-|\n|{text}|c|\n" * times + "."}
    )

    message = compose(command)

    assert fault_of(message) is None
    assert calls_in(message) == []


@pytest.mark.parametrize("columns", [2, 12, 200])
def test_wide_tables_and_long_lines_fit(post: Make, columns: int) -> None:
    rows = ["|" + "|".join([cell * 300] * columns) + "|" for cell in ("h", "长")]
    rows.insert(1, "|" + "-|" * columns)

    message = compose(post(markdown="\n".join(["```", "&" * 9000, "```", "", *rows])))

    assert fault_of(message) is None


def test_addresses_stay_as_they_are() -> None:
    assert escape("li@acme.example wrote @li: a < b & c") == "li@acme.example wrote @\u2060li: a &lt; b &amp; c"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"title": None}, r"payload\.title is missing"),
        ({"markdown": " "}, r"payload\.markdown is missing"),
        ({"blocks": []}, r"payload\.blocks is unknown; allowed are charts"),
    ],
)
def test_what_a_payload_lacks_is_named(post: Make, payload: dict[str, Any], message: str) -> None:
    with pytest.raises(RejectedError, match=message):
        compose(post(**payload))
