"""What a push rule may be aimed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.errors import ConfigError
from syncd.mapping import loader

RULE = """\
version: 1
connector: acme
push:
  - operation: create_note
    from: Digest
    target: {target}
    payload: {{text: body_text}}
"""


def load(folder: Path, target: str) -> str:
    folder.joinpath("acme.yaml").write_text(RULE.format(target=target), encoding="utf-8")
    rule = loader.load("acme", user_dir=folder).push_rule("Digest")
    assert rule is not None
    return rule.target


@pytest.mark.parametrize("written", ["opportunity | account", "opportunity|account"])
def test_a_push_rule_may_name_several_targets_in_order(tmp_path: Path, written: str) -> None:
    assert load(tmp_path, written) == "opportunity | account"


@pytest.mark.parametrize("written", ["opportunity |", "'| account'", "opportunity account"])
def test_a_target_without_a_name_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigError, match=r"target: .* is not a target"):
        load(tmp_path, written)
