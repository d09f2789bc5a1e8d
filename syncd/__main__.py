"""The composition root: puts the command line and the web pages of the service together."""

from __future__ import annotations

from syncd import cli


def main() -> None:
    """Run the command line."""
    cli.main(pages=_pages)


def _pages(service: object, listen: str) -> cli.Pages:
    from syncd.daemon.scheduler import Service
    from syncd.web.app import WebServer

    if not isinstance(service, Service):
        raise TypeError("pages are made for a Service")
    return WebServer(service, listen)


if __name__ == "__main__":
    main()
