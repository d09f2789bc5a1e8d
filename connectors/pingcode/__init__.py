"""PingCode: projects, work items, sprints and versions of a team; writes comments and work items."""

from connectors.pingcode.connector import PingCode, PingCodeConfig

__all__ = ["PingCode", "PingCodeConfig"]
