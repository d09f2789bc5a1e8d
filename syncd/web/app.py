"""`/healthz`, `/readyz`, `/metrics`: what an orchestrator and a monitoring system ask."""

from __future__ import annotations

import threading
import time
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncd import __version__
from syncd.daemon.scheduler import Service
from syncd.errors import ConfigError, StoreError
from syncd.web.metrics import CONTENT_TYPE, render

_START_SECONDS: Final = 5.0


def make_app(service: Service) -> Starlette:
    """Return the web application of a service."""

    async def healthz(_: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        """The database answers and the service leads or stands by."""
        try:
            await run_in_threadpool(service.store.ping)
        except StoreError as err:
            return JSONResponse({"status": "database", "error": str(err)}, status_code=503)
        ready = service.state in ("leading", "standby")
        return JSONResponse({"status": service.state}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        """Figures in the Prometheus text format."""
        try:
            body = await run_in_threadpool(render, service)
        except StoreError as err:
            return JSONResponse({"error": str(err)}, status_code=503)
        return Response(body, media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


class WebServer:
    """Serves the application in a thread of its own."""

    def __init__(self, service: Service, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"web.listen: {listen!r} is not an address such as 127.0.0.1:8080")
        config = uvicorn.Config(
            make_app(service), host=host.strip("[]"), port=int(port), log_config=None, access_log=False, lifespan="off"
        )
        self._listen = listen
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            return  # uvicorn's way of saying that it could not listen; `start` tells it

    def start(self) -> None:
        """Begin to listen; ConfigError when the address is taken or not ours."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ConfigError(f"web.listen: cannot listen on {self._listen}; is another process using it?")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop listening."""
        self._server.should_exit = True
        self._thread.join(3.0)
