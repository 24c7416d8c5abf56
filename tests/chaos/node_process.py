"""A node as a process of its own: the real spool and uplink, records without sensors.

Spools up to a number of records of every stream, as fast as asked, and ends with 0 once the server
has acknowledged them all. Killed and started again, it goes on where its spool is. Run as
`python -m tests.chaos.node_process JOB`, JOB being the JSON of `Job`.
"""

import sys
import time
from pathlib import Path

import msgspec

from contract.events import Restart
from contract.streams import DEFAULT_WINDOW_S, Stream
from edge.broker_link import BrokerSettings
from edge.clock import SystemClock
from edge.simulate.records import RecordSource, noise_origin
from edge.spool import Spool
from edge.spool_answers import AckEffect
from edge.uplink import Timing, Uplink

MAKING: tuple[Stream, ...] = tuple(stream for stream in Stream if stream is not Stream.EVENT)
BOOT = "0" * 31 + "1"


class Job(msgspec.Struct, kw_only=True):
    """What to do.

    Attributes:
        records: Per stream (the event stream gets one event a start beside).
        per_commit: Records per stream in one transaction of the spool.
        pause_s: Between two of them.
        deaf: How many acknowledgements to lose.
        offline: Only fill the spool.
        start_ms: Window of seq 1.
    """

    spool: str
    node_id: str
    host: str = "127.0.0.1"
    port: int = 0
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    records: int = 100
    per_commit: int = 10
    pause_s: float = 0.0
    deaf: int = 0
    offline: bool = False
    limit_bytes: int = 10**8
    start_ms: int = 0
    seed: int = 1


class SyncedClock(SystemClock):
    """This machine's clock, taken as synchronised whatever the kernel says."""

    def synced(self) -> bool:
        return True


class DeafSpool(Spool):
    """A spool that some acknowledgements never reach."""

    deaf = 0

    def ack(self, spool_id: str, stream: Stream, seq: int) -> AckEffect:
        if self.deaf > 0:
            self.deaf -= 1
            return AckEffect.REPEATED
        return super().ack(spool_id, stream, seq)


def t_of(job: Job, stream: Stream, seq: int) -> int:
    """Window start of a record, ms: the same whenever it is made."""
    return job.start_ms + (seq - 1) * DEFAULT_WINDOW_S[stream] * 1000


def main() -> None:
    job = msgspec.json.decode(sys.argv[1], type=Job)
    with DeafSpool(
        Path(job.spool), limit_bytes=job.limit_bytes, clock=SyncedClock(), boot=BOOT, rev="0.1.0"
    ) as spool:
        spool.deaf = job.deaf
        spool.event(Restart(reason="chaos"))
        spool.flush()
        if job.offline:
            fill(job, spool, None)
            return
        uplink = Uplink(job.node_id, broker_of(job), spool, SyncedClock(), timing=TIMING)
        uplink.start()
        fill(job, spool, uplink)
        while spool.depth().records_n:
            time.sleep(0.1)
            spool.flush()
        uplink.stop()


# Tests have no minutes to wait.
TIMING = Timing(ack_timeout_s=1.0, backoff_max_s=3.0, reconnect_s=0.2, reconnect_max_s=1.0)


def broker_of(job: Job) -> BrokerSettings:
    return BrokerSettings(
        host=job.host,
        port=job.port,
        ca_file=Path(job.ca_file),
        cert_file=Path(job.cert_file),
        key_file=Path(job.key_file),
    )


def fill(job: Job, spool: Spool, uplink: Uplink | None) -> None:
    """Spool what is still missing up to `job.records` of every stream."""
    source = RecordSource(seed=job.seed)
    origin = noise_origin(spool)
    missing = True
    while missing:
        missing = False
        for stream in MAKING:
            next_seq = spool.next_seq(stream)
            last = min(job.records, next_seq + job.per_commit - 1)
            for seq in range(next_seq, last + 1):
                record = source.record(stream, t_of(job, stream, seq))
                spool.append(stream, record, origin=origin if stream is Stream.NOISE else None)
                missing = True
        spool.flush()
        if uplink is not None:
            uplink.wake()
        time.sleep(job.pause_s)


if __name__ == "__main__":
    main()
