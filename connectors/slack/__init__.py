"""Slack: digests into one channel, and the replies to them."""

from connectors.slack.connector import Slack, SlackConfig

__all__ = ["Slack", "SlackConfig"]
