"""GitHub: issues, pull requests, milestones and comments of chosen repositories."""

from connectors.github.connector import GitHub, GitHubConfig

__all__ = ["GitHub", "GitHubConfig"]
