"""Three generations of paths: one API, published under other names in the course of 2026."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syncd.sdk import ApiClient, AuthError, ContractError

NO_SUCH_PATH: Final = "100002"


@dataclass(frozen=True, slots=True)
class Generation:
    """The names under which one generation publishes the API.

    `has_search` tells how work items are filtered by time: a search by day, or a list by second without it.
    """

    name: str
    area: str
    work_item: str
    versions: str
    version_field: str
    has_search: bool

    @property
    def projects(self) -> str:
        """Path of the project list."""
        return f"/v1/{self.area}/projects"

    @property
    def work_items(self) -> str:
        """Path of the work item list."""
        return f"/v1/{self.area}/{self.work_item}s"

    @property
    def types(self) -> str:
        """Path of the work item types of a project."""
        return f"/v1/{self.area}/{self.work_item}/types"

    def of_project(self, project: str, stream: str) -> str:
        """Path of the sprints or versions of a project."""
        return f"{self.projects}/{project}/{self.versions if stream == 'versions' else stream}"


GENERATIONS: Final[Mapping[str, Generation]] = {
    g.name: g
    for g in (
        Generation("a", "project", "work_item", "versions", "version_id", has_search=False),
        Generation("b", "pjm", "work_item", "versions", "version_ids", has_search=True),
        Generation("c", "pjm", "workitem", "releases", "release_ids", has_search=True),
    )
}


def probe(api: ApiClient) -> Generation:
    """Return the generation that the server speaks; B when it speaks several, ContractError when it speaks none."""
    a, b, c = (GENERATIONS[name] for name in "abc")
    if _answers(api, b.projects):
        return b if _answers(api, b.work_items) else c
    if _answers(api, a.projects):
        return a
    raise ContractError(
        f"base_url: neither {b.projects} nor {a.projects} exists there; a private deployment is reached under "
        "https://<host>/open, the public cloud under https://open.pingcode.com"
    )


def _answers(api: ApiClient, path: str) -> bool:
    try:
        api.get(path, {"page_size": 1})
    except AuthError as err:
        if err.status != 403:
            raise
    except ContractError as err:
        if err.status != 404 and err.code != NO_SUCH_PATH:
            raise
        return False
    return True
