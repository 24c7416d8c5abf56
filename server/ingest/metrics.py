"""What the ingester counts; shown for Prometheus on a loopback port."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_ROWS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "msl_ingest_messages", "Messages received", ["kind"], registry=self.registry
        )
        self.settled = Counter(
            "msl_ingest_settled_messages",
            "Messages acknowledged to the broker: stored, accounted for, or left to their node",
            registry=self.registry,
        )
        self.records = Counter(
            "msl_ingest_records",
            "Records by what became of them: stored, duplicate, held, rejected, conflict",
            ["stream", "outcome"],
            registry=self.registry,
        )
        self.unknown = Counter(
            "msl_ingest_unknown_node_messages",
            "Messages of nodes that the registry doesn't know",
            registry=self.registry,
        )
        self.refused = Counter(
            "msl_ingest_refused_messages",
            "Left to the node's spool: its ledger is full, or storing it takes too long;"
            " table refused_node says whose; above 0 is an alarm",
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "msl_ingest_batch_rows", "Rows a transaction", buckets=_ROWS, registry=self.registry
        )
        self.commit_s = Histogram(
            "msl_ingest_commit_seconds",
            "From the first statement to the end of COMMIT",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.lag_s = Histogram(
            "msl_ingest_lag_seconds",
            "From receipt of a batch's oldest message to its commit",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queued = Gauge(
            "msl_ingest_queued_messages", "Received, not yet in a batch", registry=self.registry
        )
        self.connects = Counter(
            "msl_ingest_connects", "Connections made", ["to"], registry=self.registry
        )
        self.connected = Gauge(
            "msl_ingest_broker_connected", "1 while connected", registry=self.registry
        )
        self.watchdog = Counter(
            "msl_ingest_watchdog_restarts",
            "Connections replaced because the broker was silent, or said what no broker may",
            registry=self.registry,
        )
        self.refused_subscriptions = Gauge(
            "msl_ingest_refused_subscriptions",
            "Streams that the broker doesn't let us subscribe; above 0 is an alarm",
            registry=self.registry,
        )
        self.failures = Counter(
            "msl_ingest_store_failures",
            "Transactions that failed through no fault of the data",
            registry=self.registry,
        )
        self.bisections = Counter(
            "msl_ingest_bisections",
            "Batches cut in two because of a data error",
            registry=self.registry,
        )
        self.parked = Gauge(
            "msl_ingest_parked_messages",
            "Not acknowledged because the dead letter is full; above 0 is an alarm",
            registry=self.registry,
        )
