"""Kill -9 of a writing process: what it had committed stays, and no seq is ever used again."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from contract.streams import Stream
from edge.clock import SystemClock
from edge.spool import Spool
from tests.edge.conftest import BOOT

# Commits small transactions and says after each how far it is; acknowledges what it sent now and
# then, so that deletes are killed in the middle too.
WRITER = """
import sys
from pathlib import Path
from contract.streams import Stream
from edge.clock import SystemClock
from edge.simulate.records import RecordSource
from edge.spool import Spool

light = Stream.LIGHT
source = RecordSource()
spool = Spool(Path(sys.argv[1]), limit_bytes=10**8, clock=SystemClock(), boot="0" * 31 + "1",
              rev="0.1.0")
print("low", spool.low(light), flush=True)
while True:
    for _ in range(7):
        spool.append(light, source.record(light, 1_795_608_000_000))
    spool.flush()
    done = spool.next_seq(light) - 1
    print("committed", done, flush=True)
    if done % 5 == 0:
        spool.sent(light, done)
        spool.ack(spool.id, light, done - 3)
        print("acked", done - 3, flush=True)
"""


def run_and_kill(path: Path, after_lines: int) -> tuple[int, int, int]:
    """Let a writer say some lines, kill it; return low at start, last commit, last ack."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(after_lines)]
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()
    values = {"low": 0, "committed": 0, "acked": 0}
    for line in said:
        word, _, number = line.strip().partition(" ")
        values[word] = int(number)
    return values["low"], values["committed"], values["acked"]


def test_killed_writer_loses_no_commit_and_reuses_no_seq(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    rng = random.Random(7)
    said, acked = 0, 0
    for _ in range(6):
        low, committed, run_acked = run_and_kill(path, rng.randint(2, 60))
        assert low <= said + 1
        acked = max(acked, run_acked)
        said = max(said, committed)
    with Spool(path, limit_bytes=10**8, clock=SystemClock(), boot=BOOT, rev="0.1.0") as spool:
        light = Stream.LIGHT
        next_seq, low = spool.next_seq(light), spool.low(light)
        # A commit may have succeeded whose report was killed; one that was reported is there.
        assert next_seq - 1 >= said
        assert low - 1 <= acked
        seqs = [
            seq
            for (seq,) in spool._connection.execute(
                "SELECT seq FROM record WHERE stream = 'light' ORDER BY seq"
            )
        ]
        assert seqs == list(range(low, next_seq))
