from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from syncd.errors import ConfigError
from syncd.report import language
from tests.unit.report.samples import SHANGHAI, at


def sentences(name: str) -> dict[str, Any]:
    return tomllib.loads(files("syncd.report").joinpath("locales", f"{name}.toml").read_text(encoding="utf-8"))


def values(sentence: str | dict[str, str]) -> set[str]:
    forms = [sentence] if isinstance(sentence, str) else list(sentence.values())
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    english, chinese = sentences("en"), sentences("zh-CN")

    same_day = {"start_full": "start", "end_full": "end"}
    told = {key: {same_day.get(v, v) for v in values(english[key])} for key in english}

    assert told == {key: {same_day.get(v, v) for v in values(chinese[key])} for key in chinese}


def test_no_english_sentence_counts_without_its_singular() -> None:
    fixed = {key: form for key, form in sentences("en").items() if isinstance(form, str)}

    counted = [key for key, form in fixed.items() if re.search(r"\{\w+\} \w+s\b", form)]

    assert counted == ["breath_scope"]  # a scope that grew is never one item


def test_every_sentence_is_used() -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in files("syncd.report").iterdir() if path.name.endswith(".py")
    )
    built = re.compile(
        r"^(reason|status|holder|column|what)_|_internal$|^(done|in_progress|overdue|next|planned_not_done)$"
    )

    unused = [key for key in sentences("en") if not re.search(rf"['\"]{key}['\"]", code) and not built.search(key)]

    assert unused == []


def test_plural_forms_follow_the_number() -> None:
    english = language.load("en")

    assert [english("counted_only", n=n).split(",")[0] for n in (0, 1, 2, 21)] == [
        "0 items",
        "1 item",
        "2 items",
        "21 items",
    ]


@pytest.mark.parametrize(
    ("tag", "day", "weekday", "moment"),
    [
        ("en", "3 Sep", "Thu 3 Sep", "6 Mar 15:58"),
        ("en-GB", "3 Sept", "Thu 3 Sept", "6 Mar 15:58"),
        ("zh-CN", "9月3日", "9月3日\uff08周四\uff09", "3月6日 15:58"),
        ("zh", "9月3日", "9月3日\uff08周四\uff09", "3月6日 15:58"),
    ],
)
def test_dates_read_as_the_locale_writes_them(tag: str, day: str, weekday: str, moment: str) -> None:
    spoken = language.load(tag)

    assert spoken.day(date(2026, 9, 3), year=2026) == day
    assert spoken.weekday(date(2026, 9, 3)) == weekday
    assert spoken.moment(at(3, 6, 7, 58), SHANGHAI, year=2026) == moment


def test_another_year_is_said() -> None:
    assert language.load("en").day(date(2027, 1, 3), year=2026) == "3 Jan 2027"
    assert language.load("zh-CN").day(date(2027, 1, 3), year=2026) == "2027年1月3日"


@pytest.mark.parametrize("tag", ["de", "zh-TW", "zh-Hant", "xx", "", "../en", "en_"])
def test_a_language_without_digests_is_refused_with_the_way_out(tag: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(tag)) + ".*use zh-CN or en"):
        language.load(tag)
