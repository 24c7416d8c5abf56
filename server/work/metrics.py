"""What a monitor can read of the worker, in Prometheus' text format on a port of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from server.errors import MslError


class WorkMetrics:
    """Counters of one worker process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.active = Gauge(
            "msl_work_active", "1 while this worker is the one at work", registry=self.registry
        )
        self.done = Counter(
            "msl_work_done", "things done, by task", ["task"], registry=self.registry
        )
        self.failures = Counter(
            "msl_work_failures", "runs that failed, by task", ["task"], registry=self.registry
        )
        self.last_success = Gauge(
            "msl_work_last_success_timestamp_seconds",
            "when the task last ended well",
            ["task"],
            registry=self.registry,
        )
        self.duration_s = Gauge(
            "msl_work_last_duration_seconds", "how long that took", ["task"],
            registry=self.registry,
        )  # fmt: skip

    def serve(self, host: str, port: int) -> None:
        """Show them on `host:port` until the process ends; raises `MslError` when it can't."""
        try:
            start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise MslError(
                f"metrics: {host}:{port} can't be listened on: {error.strerror};"
                " set work_metrics_port to a free port"
            ) from error
