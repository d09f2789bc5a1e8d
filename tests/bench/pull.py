"""syncd's side: settings file → `run --only pull` → stored entities, with GitHub's own mapping and a real database.

    python -m tests.bench.pull http://127.0.0.1:8900 /tmp/folder [--runs 3]

The first run of a new folder is the cold one; later ones find nothing new. One line of JSON per run.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import httpx

from syncd import settings
from syncd.engine.run import Order, execute
from syncd.engine.workspace import Workspace
from syncd.store import open_store
from tests.bench.measure import Clock

_SERVICE = """\
database: {database}
connections:
  code:
    connector: github
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{base}", token: "env:SYNCD_BENCH_TOKEN", repositories: [acme/app]}}
"""
_ACCOUNT = """\
account: Acme
locale: en
timezone: UTC
projects:
  - name: Portal
    from: [{connection: code, project: acme/app}]
"""


def write_settings(folder: Path, base: str, database: str) -> None:
    (folder / "accounts").mkdir(parents=True, exist_ok=True)
    (folder / "syncd.yaml").write_text(_SERVICE.format(base=base, database=database))
    (folder / "accounts" / "acme.yaml").write_text(_ACCOUNT)


def taken_counters(base: str) -> dict[str, int]:
    """Return the requests per list since the last call; nothing from a server that has other counters."""
    answer = httpx.get(f"{base}/counters")
    return answer.json() if answer.is_success else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--database", help="an address; a SQLite file in the folder unless given")
    options = parser.parse_args()
    os.environ["SYNCD_BENCH_TOKEN"] = "bench"
    write_settings(options.folder, options.base, options.database or f"sqlite:///{options.folder}/syncd.db")
    taken_counters(options.base)
    clock = Clock()
    config = settings.load(options.folder)
    store = open_store(config.service.database)
    space = Workspace(config, store)
    for _ in range(options.runs):
        report = execute(space, Order(only="pull"))
        clock.stop()
        asked = taken_counters(options.base)
        clock.tell(records=report.balance.read, written=report.balance.written, state=report.state, asked=asked)
        clock = Clock()
    space.close()
    store.close()


if __name__ == "__main__":
    main()
