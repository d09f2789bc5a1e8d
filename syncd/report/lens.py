"""Through whose eyes a record is seen: what of it is shown, and in which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from syncd.model.communication import Ask, CommunicationRecord, Item, Show
from syncd.model.entities import Holder, TaskStatus, Visibility
from syncd.report.language import Language
from syncd.report.text import clean, name, safe_url


@dataclass(frozen=True, slots=True)
class Lens:
    """A record, its reader's language, and what the reader may see.

    Our own people see everything. A client sees of the tasks only those that `show` chooses, and of them only its
    fields; a task without a shown title or key is counted but not listed. `words` are the client's words for a status.
    """

    record: CommunicationRecord
    language: Language
    is_client: bool
    show: Show
    words: Mapping[str, str]
    answer_by: date | None = None

    def say(self, key: str, **values: object) -> str:
        """Return the sentence of this key; for our own people the wording that speaks of the client, if it differs."""
        own = f"{key}_internal"
        return self.language(own if not self.is_client and own in self.language else key, **values)

    def shows(self, field: str) -> bool:
        """Return whether this field of a task may be shown."""
        return not self.is_client or field in self.show.fields

    def visible(self, items: Sequence[Item]) -> list[Item]:
        """Return the items that may be listed."""
        if not self.is_client:
            return list(items)
        named = self.shows("title") or self.shows("key")
        return [item for item in items if named and self.show.selects(item.type, item.labels)]

    def visible_asks(self) -> list[Ask]:
        """Return the asks whose question may be shown."""
        return [ask for ask in self.record.needs_you if not self.is_client or self._may_ask(ask)]

    def title(self, item: Item) -> str:
        """Return what the item is called."""
        return name((item.title if self.shows("title") else item.key) or "")

    def url(self, url: str | None) -> str | None:
        """Return the address if this reader may follow it."""
        return safe_url(url) if self.shows("url") else None

    def status(self, status: TaskStatus) -> str:
        """Return the status in the client's words, else in ours."""
        return clean(self.words.get(status.value, "")) or self.language(f"status_{status.value}")

    def holder(self, holder: Holder | None) -> str:
        """Return who holds the ball."""
        return self.say(f"holder_{(holder or Holder.US).value}")

    def day(self, day: date) -> str:
        """Return the date, without its year when that is the report's."""
        return self.language.day(day, year=self.today.year)

    def moment(self, moment: datetime) -> str:
        """Return date and time in the account's zone."""
        return self.language.moment(moment, self.zone, year=self.today.year)

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.record.timezone)

    @property
    def today(self) -> date:
        """The account's date when the record was made."""
        return self.record.made_at.astimezone(self.zone).date()

    def _may_ask(self, ask: Ask) -> bool:
        if ask.is_task:
            return self.shows("title") and self.show.selects(ask.type, ask.labels)
        return ask.visibility is Visibility.CLIENT
