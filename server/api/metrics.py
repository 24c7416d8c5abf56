"""Counters for Prometheus, on a loopback port of their own.

Not a path of the API: that port goes behind the city's reverse proxy, where one forgotten line
would show the size and health of the fleet to everybody.
"""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE = "none"


class Metrics:
    """The metrics of one `msl serve`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "msl_http_requests_total",
            "answers given",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "msl_http_request_seconds",
            "time to the first byte",
            ["route"],
            registry=self.registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3, 10),
        )
        self.watchers = Gauge(
            "msl_console_watchers", "pages that are open and live", registry=self.registry
        )
        self.listening = Gauge(
            "msl_console_listening",
            "1 while the database's notifications are heard",
            registry=self.registry,
        )

    def serve(self, host: str, port: int) -> None:
        """Show them at http://host:port/metrics from a thread that ends with the process."""
        start_http_server(port, addr=host, registry=self.registry)


class Measured:
    """Counts and times every answer by its route, never by its path, which strangers choose."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", NO_ROUTE)
                self._metrics.requests.labels(_method(scope), route, message["status"]).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, noting)


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
