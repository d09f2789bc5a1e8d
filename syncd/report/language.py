"""One language of a digest: sentences from its locale file, dates and plurals from the CLDR."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from functools import lru_cache
from importlib.resources import files
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

from syncd.errors import ConfigError

_FILES: Final[Mapping[str, str]] = {"en": "en", "zh": "zh-CN"}
_TRADITIONAL: Final = ("Hant", "TW", "HK", "MO")


class Language:
    """Sentences, dates and numbers as one locale writes them.

    A sentence is looked up by its key and filled with named values; where the file gives several forms, the value `n`
    chooses one by the language's plural rule. A month or weekday follows the locale (`en-GB`), the sentence its
    language (`en`).
    """

    def __init__(self, locale: Locale, sentences: Mapping[str, str | Mapping[str, str]]) -> None:
        self.tag = "-".join(part for part in (locale.language, locale.territory) if part)
        self._locale = locale
        self._sentences = sentences

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence with its values filled in."""
        forms = self._sentences[key]
        if isinstance(forms, str):
            return forms.format_map(values)
        count = values["n"]
        form = self._locale.plural_form(count) if isinstance(count, int) else "other"
        return forms.get(form, forms["other"]).format_map(values)

    def __contains__(self, key: str) -> bool:
        return key in self._sentences

    def day(self, day: date, *, year: int | None = None) -> str:
        """Return the date, with its year unless that is `year`."""
        return self._date(day, "date" if day.year == year else "date_with_year")

    def weekday(self, day: date) -> str:
        """Return the date with its day of the week."""
        return self._date(day, "date_with_weekday")

    def moment(self, moment: datetime, timezone: tzinfo, *, year: int | None = None) -> str:
        """Return date and time of day in this zone."""
        local = moment.astimezone(timezone)
        return f"{self.day(local.date(), year=year)} {self.time(moment, timezone)}"

    def time(self, moment: datetime, timezone: tzinfo) -> str:
        """Return the time of day in this zone."""
        return format_time(moment.astimezone(timezone).time(), self("time"), locale=self._locale)

    def number(self, value: float) -> str:
        """Return the number with at most one decimal and no grouping."""
        return format_decimal(value, "0.#", locale=self._locale)

    def join(self, parts: list[str]) -> str:
        """Return the parts as one list in running text."""
        return self("join").join(parts)

    def _date(self, day: date, pattern: str) -> str:
        return format_date(day, self(pattern), locale=self._locale)


@lru_cache(maxsize=64)
def load(tag: str) -> Language:
    """Return the language of a BCP 47 tag such as `zh-CN`, `en` or `en-GB`.

    Raises ConfigError when digests are not written in it.
    """
    try:
        locale = Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError) as err:
        raise ConfigError(f"locale {tag!r} is not a language tag; use zh-CN or en") from err
    is_traditional = any(part in _TRADITIONAL for part in (locale.script, locale.territory))
    if locale.language not in _FILES or (locale.language == "zh" and is_traditional):
        raise ConfigError(f"locale {tag!r}: digests are not written in it; use zh-CN or en")
    text = files("syncd.report").joinpath("locales", f"{_FILES[locale.language]}.toml").read_text(encoding="utf-8")
    return Language(locale, tomllib.loads(text))
