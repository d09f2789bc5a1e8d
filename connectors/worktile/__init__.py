"""Worktile: projects, tasks, comments and members of a team; read-only unless writing is switched on."""

from connectors.worktile.connector import Worktile, WorktileConfig

__all__ = ["Worktile", "WorktileConfig"]
