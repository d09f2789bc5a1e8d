"""The lab: the vendors' APIs imitated on loopback, to try a configuration, for tests and for the demo."""

from __future__ import annotations

import inspect
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from syncd import registry
from syncd.errors import ConfigError
from syncd.sdk.fake import FakeServer

DEMO: Final = "demo"


def open_fake(connector: str, *, data: Path | None = None, as_of: datetime | None = None) -> FakeServer:
    """Return the fake of a connector, not started; with `data` it serves an export, as it was at `as_of`.

    `data` may be `demo`: the eight weeks of the demo, which PingCode and Zoho CRM have lived through.
    ConfigError when the connector's fake cannot serve exports, or the folder does not hold one.
    """
    kind = registry.fake_class(connector)
    if str(data) == DEMO and not Path(DEMO).is_dir():
        return _open_demo(connector, as_of)
    if data is None:
        if as_of is not None:
            raise ConfigError("--as-of needs --data: an empty lab has no past")
        return kind()
    load = getattr(kind, "load", None)
    if load is None or not inspect.ismethod(load):
        able = [name for name in registry.names() if hasattr(registry.fake_class(name), "load")]
        raise ConfigError(f"the lab of {connector!r} cannot serve an export; these can: {', '.join(able) or 'none'}")
    if not data.is_dir():
        raise ConfigError(f"--data {data}: is not a folder")
    try:
        fake: FakeServer = load(data, as_of=as_of)
    except (OSError, ValueError, KeyError) as err:
        raise ConfigError(f"--data {data}: is not an export of {connector!r} ({type(err).__name__}: {err})") from err
    return fake


def _open_demo(connector: str, as_of: datetime | None) -> FakeServer:
    from syncd.lab.scenario import WEEKS, Scenario, report_time

    fakes: dict[str, Any] = {name: registry.fake_class(name)() for name in ("pingcode", "zoho_crm")}
    if connector not in fakes:
        raise ConfigError(f"--data {DEMO}: {connector!r} is not part of the demo; these are: {', '.join(fakes)}")
    Scenario(fakes["pingcode"], fakes["zoho_crm"]).live_until(as_of or report_time(WEEKS))
    fake: FakeServer = fakes[connector]
    fake.set_clock(None)
    return fake
