"""Redmine: projects, versions, issues, journals, relations, custom fields and users of one server."""

from connectors.redmine.connector import Redmine, RedmineConfig

__all__ = ["Redmine", "RedmineConfig"]
