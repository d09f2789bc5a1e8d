"""`/healthz`, `/readyz`, `/metrics`: what an orchestrator and a monitoring system ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncd import __version__
from syncd.daemon.scheduler import Service, State
from syncd.errors import ConfigError, StoreError
from syncd.web.metrics import CONTENT_TYPE, render

_START_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 5.0  # a probe that waits longer has given up by itself
_STOP_SECONDS: Final = 1
Value = TypeVar("Value")


def make_app(service: Service) -> Starlette:
    """Return the web application of a service."""

    async def healthz(_: Request) -> Response:
        """The process is alive; 503 when its working thread is not, so that it is started anew."""
        if not service.is_alive:
            return JSONResponse({"status": "dead", "version": __version__}, status_code=503)
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        """The database answers and the service leads or stands by."""
        refusal = await _answer(service.store.ping)
        if isinstance(refusal, Response):
            return refusal
        state = service.state
        return JSONResponse({"status": state.value}, status_code=503 if state is State.STOPPED else 200)

    async def metrics(_: Request) -> Response:
        """Figures in the Prometheus text format."""
        body = await _answer(lambda: render(service))
        return body if isinstance(body, Response) else Response(body, media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


async def _answer(ask: Callable[[], Value]) -> Value | Response:
    """Ask the database in a thread; 503 when it refuses or is silent. Its words stay in the log."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(ask), _ANSWER_SECONDS)
    except (StoreError, TimeoutError):
        return JSONResponse({"status": "database"}, status_code=503)


class WebServer:
    """Serves the application in a thread of its own."""

    def __init__(self, service: Service, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        config = uvicorn.Config(
            make_app(service),
            host=host.strip("[]"),
            port=int(port),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._listen = listen
        self._started = threading.Event()
        self._server = _Server(config, self._started)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def start(self) -> None:
        """Begin to listen; ConfigError when the address is taken or not ours."""
        self._thread.start()
        if not self._started.wait(_START_SECONDS) or not self._server.started:
            raise ConfigError(f"web.listen: cannot listen on {self._listen}; is another process using it?")

    def stop(self) -> None:
        """Stop listening."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS + 0.5)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            return  # uvicorn's way of saying that it could not listen; `start` tells it
        finally:
            self._started.set()


class _Server(uvicorn.Server):
    """Says when it listens, or never will."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._told = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # their sockets
        await super().startup(sockets)  # type: ignore[arg-type]
        self._told.set()
