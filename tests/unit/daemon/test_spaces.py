from __future__ import annotations

from typing import cast

import pytest

from syncd.daemon.spaces import Spaces
from syncd.engine.workspace import Workspace


class _Space:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def _pair() -> tuple[_Space, Workspace]:
    space = _Space()
    return space, cast("Workspace", space)


def test_a_job_keeps_the_configuration_it_began_with_and_the_last_one_closes_it() -> None:
    (old, old_space), (new, new_space) = _pair(), _pair()
    spaces = Spaces(old_space)

    with spaces.using() as first, spaces.using():
        spaces.replace(new_space)
        with spaces.using() as second:
            assert (first, second) == (old_space, new_space)
        assert old.closed == 0

    assert (old.closed, new.closed) == (1, 0)


def test_a_configuration_that_nobody_works_with_is_closed_at_once() -> None:
    (old, old_space), (new, new_space) = _pair(), _pair()
    spaces = Spaces(old_space)

    spaces.replace(new_space)
    spaces.replace(None)

    assert (old.closed, new.closed) == (1, 1)


def test_after_the_end_there_is_nothing_to_work_with() -> None:
    spaces = Spaces(_pair()[1])
    spaces.replace(None)

    with pytest.raises(RuntimeError, match="closed"), spaces.using():
        raise AssertionError
