"""Email: digests as mail, through any submission server."""

from connectors.email.connector import Email

__all__ = ["Email"]
