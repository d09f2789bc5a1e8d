"""COQL for the fake: a small parser and evaluator of Zoho's query language.

Understood: `select columns from Module where conditions order by … limit n | limit offset, n | limit n offset m`, with
= != > >= < <= like, not like, in, not in, between, is null, is not null, and/or and brackets; a dotted column follows
one lookup. Joins deeper than that, functions and `group by` are refused, as every unknown word is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

MAX_LIMIT: Final = 2000
MAX_COLUMNS: Final = 50
MAX_CRITERIA: Final = 25
MAX_IN: Final = 50
Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Find = Callable[[Row, str], Any]  # a column of a row; the fake follows lookups

_TOKENS: Final = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*') | (?P<number>-?\d+(?:\.\d+)?) | (?P<mark>!=|>=|<=|[=<>(),])
        | (?P<word>[A-Za-z$_][\w$.]*)
    )""",
    re.VERBOSE,
)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


class CoqlError(Exception):
    """A query that Zoho would refuse: its code and details."""

    def __init__(self, code: str, details: Mapping[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass(slots=True)
class Query:
    """A parsed query; `order` is a list of column and whether it descends."""

    columns: list[str]
    module: str
    where: Test
    used: set[str] = field(default_factory=set)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = 200
    offset: int = 0


def parse(text: str, find: Find) -> Query:
    """Parse `text`; `find` gives the value of a column of a row."""
    return _Parser(text, find).query()


def sort_key(value: Any) -> tuple[bool, Any]:
    """Return what values of one column sort by: nulls first, numbers and ids by size, times by instant."""
    return value is not None, _plain(value)


class _Parser:
    def __init__(self, text: str, find: Find) -> None:
        self._tokens = _split(text)
        self._at = 0
        self._find = find
        self._used: set[str] = set()
        self._criteria = 0

    def query(self) -> Query:
        self._word("select")
        columns = self._list(self._name)
        self._word("from")
        module = self._name()
        self._word("where")
        query = Query(columns, module, self._any_of(), self._used)
        if self._try("order"):
            self._word("by")
            query.order = self._list(self._order)
        self._limits(query)
        if self._peek():
            raise self._unexpected()
        if len(columns) > MAX_COLUMNS or self._criteria > MAX_CRITERIA or query.limit > MAX_LIMIT:
            raise CoqlError("LIMIT_EXCEEDED", {"limit": MAX_LIMIT})
        return query

    def _limits(self, query: Query) -> None:
        if self._try("limit"):
            query.limit = self._number()
            if self._try(","):
                query.offset, query.limit = query.limit, self._number()
        if self._try("offset"):
            query.offset = self._number()

    def _order(self) -> tuple[str, bool]:
        column = self._name()
        descends = self._try("desc")
        if not descends:
            self._try("asc")
        self._used.add(column)
        return column, descends

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._try("or"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._try("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._try("("):
            test = self._any_of()
            self._word(")")
            return test
        self._criteria += 1
        column = self._name()
        self._used.add(column)
        return self._condition(column)

    def _condition(self, column: str) -> Test:
        def value_of(row: Row) -> Any:
            return _plain(self._find(row, column))

        if self._try("is"):
            wanted = not self._try("not")
            self._word("null")
            return lambda row: (value_of(row) is None) is wanted
        negated = self._try("not")
        test = self._positive(value_of, negated=negated)
        return (lambda row: not test(row)) if negated else test

    def _positive(self, value_of: Callable[[Row], Any], *, negated: bool) -> Test:
        if self._try("in"):
            self._word("(")
            wanted = self._list(self._value)
            self._word(")")
            if len(wanted) > MAX_IN:
                raise CoqlError("LIMIT_EXCEEDED", {"limit": MAX_IN})
            return lambda row: value_of(row) in wanted
        if self._try("like"):
            pattern = _like(str(self._raw()))
            return lambda row: bool(pattern.fullmatch(str(value_of(row) or "")))
        if self._try("between"):
            low = self._value()
            self._word("and")
            high = self._value()
            return lambda row: value_of(row) is not None and low <= value_of(row) <= high
        mark = self._peek()
        if negated or mark not in _COMPARE:
            raise self._unexpected()
        self._at += 1
        compare, wanted_value = _COMPARE[mark], self._value()
        return lambda row: _compared(compare, value_of(row), wanted_value)

    # -- tokens -----------------------------------------------------------------------------------------------

    def _list(self, one: Callable[[], Any]) -> list[Any]:
        found = [one()]
        while self._try(","):
            found.append(one())
        return found

    def _peek(self) -> str:
        return self._tokens[self._at][1].lower() if self._at < len(self._tokens) else ""

    def _try(self, word: str) -> bool:
        kind = self._tokens[self._at][0] if self._at < len(self._tokens) else ""
        found = kind in ("word", "mark") and self._peek() == word
        self._at += found
        return found

    def _word(self, word: str) -> None:
        if not self._try(word):
            raise self._unexpected()

    def _name(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != "word":
            raise self._unexpected()
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _number(self) -> int:
        value = self._raw()
        if not isinstance(value, int):
            raise self._unexpected()
        return value

    def _raw(self) -> Any:
        if self._at >= len(self._tokens):
            raise self._unexpected()
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        self._at -= 1
        raise self._unexpected()

    def _value(self) -> Any:
        return _plain(self._raw())

    def _unexpected(self) -> CoqlError:
        return CoqlError("SYNTAX_ERROR", {"near": self._peek(), "line": 1, "column": self._at})


def _split(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while text[at:].strip():
        found = _TOKENS.match(text, at)
        if found is None or found.lastgroup is None:
            raise CoqlError("SYNTAX_ERROR", {"near": text[at : at + 10], "line": 1, "column": at})
        tokens.append((found.lastgroup, found.group(found.lastgroup)))
        at = found.end()
    return tokens


def _plain(value: Any) -> Any:
    """Return what a value is compared as: a lookup by its id, an id as a number, a time as an instant."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if not isinstance(value, str):
        return value
    if value.isdigit():
        return int(value)
    if len(value) >= 19 and value[10] == "T":
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


def _compared(compare: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    if value is None:
        return False
    try:
        return compare(value, wanted)
    except TypeError:
        return False


def _like(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("%")), re.IGNORECASE | re.DOTALL)
