"""Compose and render digests: a record built from a project's entities, then mail, Markdown and plain text.

    python -m tests.bench.digests --count 1000

Random projects of up to 120 tasks, with the record that was delivered a week before; Chinese and English in turn.
"""

from __future__ import annotations

import argparse

from syncd.report import record, render
from tests.bench.measure import Clock
from tests.unit.report import samples

_DIFFERENT = 50
_LOCALES = ("zh-CN", "en")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    projects = [samples.two_weeks(seed, size=120)[1] for seed in range(_DIFFERENT)]
    clock = Clock()
    size = 0
    for number in range(options.count):
        facts = projects[number % _DIFFERENT]
        digest = render.render(
            record.build(facts),
            audience="client",
            is_client=True,
            content="digest",
            locale=_LOCALES[number % len(_LOCALES)],
            show=facts.show,
            words={},
        )
        size += len(digest.body_html) + len(digest.body_text) + len(digest.body_markdown)
    clock.tell(digests=options.count, bytes=size)


if __name__ == "__main__":
    main()
