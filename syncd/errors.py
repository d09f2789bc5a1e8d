"""One error tree, ordered by what happens next and not by where it happened.

Every message says what, where, and the way out; none carries a secret or a payload.
"""

from __future__ import annotations


class SyncdError(Exception):
    """Base of all errors that syncd raises on purpose."""


class ConfigError(SyncdError):
    """A file or an argument is wrong: stop, exit code 2."""


class StoreError(SyncdError):
    """The database cannot be used as it is: too new, locked by another run, disk full."""


class BusyError(StoreError):
    """Another run of the same thing holds the lease: come back when it has ended."""


class ReadOnlyError(SyncdError):
    """A write was tried in plan mode: the network layer refuses it."""


class ConnectorError(SyncdError):
    """Base of what a connector may raise; the engine has one `match` over the subclasses.

    `status` is the HTTP status and `code` the vendor's own code, where there is one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AuthError(ConnectorError):
    """The vendor refuses our credentials or rights: pause the connection."""


class RateLimitedError(ConnectorError):
    """The vendor asks us to wait: `retry_after` seconds, None when it does not say how long."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.retry_after = retry_after


class TransientError(ConnectorError):
    """Timeout, reset or 5xx: back off and retry, then leave it to the next run."""


class RejectedError(ConnectorError):
    """The vendor refuses this one payload: park the command."""


class ContractError(ConnectorError):
    """The vendor no longer answers as documented: stop the stream and alert."""


class OutcomeUnknownError(ConnectorError):
    """A write was sent and its answer was lost: find it, else ask a person."""


class MappingError(SyncdError):
    """A record does not fit its mapping: park the record, go on.

    `field` is the entity field concerned, `value` the offending value in short form.
    """

    def __init__(self, message: str, *, field: str = "", value: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class ConflictError(SyncdError):
    """Two connections disagree on a field: keep both values, apply the field's rule."""


class StoppedError(SyncdError):
    """A person or the system asked us to stop: the page in hand is finished, the rest is left for the next run."""
