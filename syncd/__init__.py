"""syncd keeps an agency's promise to its clients true: honest progress digests, on time, once."""

__version__ = "0.1.0"
