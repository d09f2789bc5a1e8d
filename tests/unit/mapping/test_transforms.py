from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.mapping.transforms import TRANSFORMS, Scope
from syncd.mapping.values import UnfitError

SHANGHAI = Scope("conn", ZoneInfo("Asia/Shanghai"))
ZONES = ["Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "UTC"]

# name, arguments, value, result; each transform has its plain case and its edges.
CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("ref", {"stream": "users"}, "7", "37ecace2-8bcd-53f8-9cb1-bd252f874a99"),
    ("ref", {"stream": "users"}, 7, "37ecace2-8bcd-53f8-9cb1-bd252f874a99"),
    ("ref", {"stream": "users"}, 7.0, "37ecace2-8bcd-53f8-9cb1-bd252f874a99"),
    ("ref", {"stream": "users"}, [7, None, ""], ["37ecace2-8bcd-53f8-9cb1-bd252f874a99"]),
    ("ref", {"stream": "users"}, "", None),
    ("url_tail", {"parts": 2}, "https://api.github.com/repos/acme/portal", "acme/portal"),
    ("url_tail", {"parts": 1}, "https://a.test/x/42/?page=2#top", "42"),
    ("url_tail", {"parts": 2}, "acme/portal", "acme/portal"),
    (
        "url_after",
        {"segment": "repos", "parts": 2},
        "https://api.github.com/repos/acme/portal/milestones/3",
        "acme/portal",
    ),
    ("url_after", {"segment": "repos", "parts": 2}, "https://a.test/api/v3/repos/acme/repos/?page=2#top", "acme/repos"),
    ("unix_seconds_to_datetime", {}, 1767225600, datetime(2026, 1, 1, tzinfo=UTC)),
    ("unix_seconds_to_datetime", {}, "1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
    ("unix_seconds_to_datetime", {}, -1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("unix_seconds_to_datetime", {}, " ", None),
    ("unix_seconds_to_date", {}, 1767225600, date(2026, 1, 1)),
    ("unix_seconds_to_date", {}, 1767196800, date(2026, 1, 1)),  # midnight in Shanghai, the day before in UTC
    ("unix_millis_to_datetime", {}, 1767225600123, datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)),
    ("unix_millis_to_datetime", {}, "1767225600000", datetime(2026, 1, 1, tzinfo=UTC)),
    ("unix_millis_to_datetime", {}, " ", None),
    ("unix_millis_to_date", {}, 1767196800000, date(2026, 1, 1)),  # midnight in Shanghai, the day before in UTC
    ("iso_to_datetime", {}, "2026-06-30T12:00:00Z", datetime(2026, 6, 30, 12, tzinfo=UTC)),
    ("iso_to_datetime", {}, "2026-06-30T12:00:00+08:00", datetime(2026, 6, 30, 4, tzinfo=UTC)),
    ("iso_to_datetime", {}, "2026-06-30 12:00:00", datetime(2026, 6, 30, 4, tzinfo=UTC)),
    ("iso_to_datetime", {}, "2026-06-30", datetime(2026, 6, 29, 16, tzinfo=UTC)),
    ("iso_to_datetime", {}, "", None),
    ("iso_to_date", {}, "2026-06-30", date(2026, 6, 30)),
    ("iso_to_date", {}, " ", None),
    ("date_part", {}, "2026-06-30T23:30:00-11:00", date(2026, 6, 30)),
    ("date_part", {}, "2026-06-30", date(2026, 6, 30)),
    ("datetime_to_date", {}, "2026-06-30T20:00:00Z", date(2026, 7, 1)),
    ("datetime_to_date", {}, "2026-06-30T20:00:00", date(2026, 6, 30)),
    ("html_to_text", {}, "<p>Ship&nbsp;it</p><ul><li>now</ul>", "Ship it\n\n- now"),
    ("first", {}, ["a", "b"], "a"),
    ("first", {}, [], None),
    ("first", {}, "a", "a"),
    ("first_in", {"table": {"blocked": "b", "doing": "d"}}, ["doing", "blocked"], "b"),
    ("first_in", {"table": {"blocked": "b"}}, ["other", None, {"a": 1}], None),
    ("first_in", {"table": {"true": "yes"}}, True, "yes"),
    ("first_in", {"table": {"a": "b"}}, {"a": 1}, None),
    (
        "pairs",
        {"key": "name", "value": "value"},
        [{"name": "客户编号", "value": "A-7"}, {"name": "Tags", "value": ["a"]}],
        {"客户编号": "A-7", "Tags": ["a"]},
    ),
    ("pairs", {"key": "id", "value": "value"}, [{"id": 5}], {"5": None}),
    ("pairs", {"key": "id", "value": "value"}, [], {}),
    ("join", {"by": ", "}, ["a", 1, None], "a, 1"),
    ("join", {"by": ", "}, [], None),
    ("lower", {}, "In Progress", "in progress"),
    ("lower", {}, ["A", "b"], ["a", "b"]),
    ("strip", {}, "  a b ", "a b"),
    ("strip", {}, " ", None),
    ("strip", {}, [" a ", " "], ["a"]),
    ("truncate", {"max": 5}, "abcdefg", "abcd…"),
    ("truncate", {"max": 5}, "abcde", "abcde"),
    ("number", {}, "1200", 1200),
    ("number", {}, " 12.50 ", Decimal("12.50")),
    ("number", {}, 3.5, 3.5),
    ("number", {}, "", None),
    ("percent_fraction_to_percent", {}, 0.07, 7.0),
    ("percent_fraction_to_percent", {}, "", None),
    ("percent_to_fraction", {}, 60, 0.6),
    ("percent_to_fraction", {}, "", None),
    ("domain", {}, "Wang@Mail.Acme.example ", "mail.acme.example"),
    ("domain", {}, "https://www.Acme.example:8443/about?x=1", "acme.example"),
    ("domain", {}, "acme.example/cn", "acme.example"),
    ("domain", {}, "精密.example", "精密.example"),
    ("domain", {}, "n/a", None),
    ("domain", {}, "http://[broken", None),
    ("email", {}, " Wang@Acme.example ", "wang@acme.example"),
    ("email", {}, "  ", None),
    ("text", {}, 12, "12"),
    ("text", {}, True, "true"),
    ("text", {}, 2.0, "2"),
    ("text", {}, 0.1, "0.1"),
]

REFUSED: list[tuple[str, dict[str, Any], Any, str]] = [
    ("ref", {"stream": "users"}, True, "is not a remote id"),
    ("ref", {"stream": "users"}, 1e17, "is not a remote id"),
    ("ref", {"stream": "users"}, {"id": 1}, "is not a single value"),
    ("url_tail", {"parts": 2}, "https://a.test/x", "has fewer than 2 path segments"),
    (
        "url_after",
        {"segment": "repos", "parts": 2},
        "https://a.test/repos/acme",
        "has fewer than 2 path segments after 'repos'",
    ),
    ("url_after", {"segment": "repos", "parts": 1}, "", "has fewer than 1 path segments after 'repos'"),
    ("unix_seconds_to_datetime", {}, 1767225600000000, "is not a possible time in seconds since 1970 (milliseconds?)"),
    ("unix_seconds_to_date", {}, True, "is not a number"),
    ("unix_seconds_to_date", {}, -62135596800 - 86400, "is not a possible time in seconds since 1970 (milliseconds?)"),
    ("unix_millis_to_datetime", {}, 10**18, "is not a possible time in milliseconds since 1970"),
    ("unix_millis_to_date", {}, True, "is not a number"),
    ("iso_to_datetime", {}, "2026-02-30T00:00:00Z", "is not a time such as 2026-06-30T12:00:00Z"),
    ("iso_to_datetime", {}, "0001-01-01T00:00:00+14:00", "is not a possible time"),
    ("iso_to_datetime", {}, 1767225600, "is not a time such as 2026-06-30T12:00:00Z"),
    (
        "iso_to_date",
        {},
        "2026-06-30T00:00:00Z",
        "is not a date such as 2026-06-30; it has a time: use date_part or datetime_to_date",
    ),
    ("iso_to_date", {}, "20260630", "is not a date such as 2026-06-30"),
    ("iso_to_date", {}, "2026-W27-2", "is not a date such as 2026-06-30"),
    ("date_part", {}, "2026-02-30T10:00", "is not a day of the calendar, as 2026-06-30 is"),
    ("datetime_to_date", {}, "9999-12-31T23:00:00Z", "is not a possible time"),
    ("number", {}, "1,200", "is not a number such as 1200 or 12.50 (no thousands separators)"),
    ("number", {}, "NaN", "is not a number such as 1200 or 12.50 (no thousands separators)"),
    ("number", {}, 10**70, "is too large"),
    ("number", {}, "1e99", "is too large"),
    ("percent_fraction_to_percent", {}, [], "is not a number"),
    ("join", {"by": ","}, [{"a": 1}], "is not a single value"),
    ("pairs", {"key": "name", "value": "value"}, [{"value": 1}], "is not a list of objects that have 'name'"),
    ("pairs", {"key": "name", "value": "value"}, "text", "is not a list of objects that have 'name'"),
    ("lower", {}, {"a": 1}, "is not a single value"),
    ("text", {}, [1], "is not a single value"),
    ("text", {}, float("nan"), "is not a number"),
]


@pytest.mark.parametrize(("name", "arguments", "value", "expected"), CASES)
def test_a_transform_gives_what_its_documentation_says(
    name: str, arguments: dict[str, Any], value: Any, expected: Any
) -> None:
    step = TRANSFORMS[name].make(**arguments)

    result = step(value, SHANGHAI)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("name", "arguments", "value", "problem"), REFUSED)
def test_a_transform_refuses_what_it_cannot_read(
    name: str, arguments: dict[str, Any], value: Any, problem: str
) -> None:
    step = TRANSFORMS[name].make(**arguments)

    with pytest.raises(UnfitError) as caught:
        step(value, SHANGHAI)

    assert caught.value.problem == problem


def test_every_transform_is_documented_and_tested() -> None:
    tested = {case[0] for case in CASES}

    undocumented = [name for name, transform in TRANSFORMS.items() if not transform.doc.strip().endswith(".")]

    assert undocumented == []
    assert tested == set(TRANSFORMS)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_transform_gives_the_type_that_it_declares(name: str) -> None:
    results = [TRANSFORMS[name].make(**arguments)(value, SHANGHAI) for n, arguments, value, _ in CASES if n == name]

    gives = TRANSFORMS[name].gives

    assert gives is None or {type(result) for result in results if result is not None} == {gives}


@given(day=st.dates(), zone=st.sampled_from(ZONES), time=st.times())
def test_date_part_and_iso_to_date_never_move_a_day(day: date, zone: str, time: Any) -> None:
    scope = Scope("conn", ZoneInfo(zone))
    stamp = f"{day.isoformat()}T{time.isoformat()}Z"

    parts = {
        TRANSFORMS["date_part"].make()(stamp, scope),
        TRANSFORMS["date_part"].make()(day.isoformat(), scope),
        TRANSFORMS["iso_to_date"].make()(day.isoformat(), scope),
    }

    assert parts == {day}


@given(
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_a_point_in_time_is_the_same_however_it_is_written(moment: datetime, zone: str, offset: int) -> None:
    scope = Scope("conn", ZoneInfo(zone))
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()

    read = TRANSFORMS["iso_to_datetime"].make()(elsewhere, scope)

    assert read == moment
    assert read.tzinfo is UTC


@given(moment=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), zone=st.sampled_from(ZONES))
def test_midnight_in_the_connections_zone_is_the_day_that_was_meant(moment: datetime, zone: str) -> None:
    scope = Scope("conn", ZoneInfo(zone))
    noon = moment.replace(hour=12, minute=0, second=0, microsecond=0)
    seconds = int(noon.replace(tzinfo=ZoneInfo(zone)).timestamp())

    day = TRANSFORMS["unix_seconds_to_date"].make()(seconds, scope)

    assert day == noon.date()


@pytest.mark.parametrize("name", ["lower", "strip", "email", "domain", "text", "number", "iso_to_datetime"])
@given(value=st.text(max_size=40))
def test_a_cleaned_value_is_not_changed_by_cleaning_it_again(name: str, value: str) -> None:
    step = TRANSFORMS[name].make()
    try:
        once = step(value, SHANGHAI)
    except UnfitError:
        return

    twice = once if once is None else step(once, SHANGHAI)

    assert twice == once
