"""The export over HTTP: the rows of the command, streamed, and no pile of them in memory."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.export import routes
from tests.server.api.served import served
from tests.server.export.conftest import NODE, Measured, Msl

pytestmark = pytest.mark.db

SPAN = {"from": "2026-06-01T00:00:00Z", "to": "2026-06-04T00:00:00Z"}


@pytest.fixture
def client(three_days: Measured) -> Iterator[httpx.Client]:
    with served(three_days.dsn_api) as client:
        yield client


def test_it_gives_the_rows_of_the_command(client: httpx.Client, msl: Msl, tmp_path: Path) -> None:
    msl("light", tmp_path, "--node", NODE)
    answer = client.get("/api/v1/export/light", params={**SPAN, "node": NODE})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="light-raw-node-lamp-01.csv"'
    )
    written = [path.read_text().splitlines() for path in sorted(tmp_path.rglob("*.csv"))]
    assert answer.text.splitlines() == written[0] + [r for rest in written[1:] for r in rest[1:]]


@pytest.mark.parametrize(
    ("grain", "rows_n"), [("raw", 280), ("1h", 70), ("1d", 4)], ids=["raw", "hours", "days"]
)
def test_every_grain(client: httpx.Client, grain: str, rows_n: int) -> None:
    answer = client.get("/api/v1/export/noise", params={**SPAN, "site": "plaza", "grain": grain})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    # The day of the exclusion is two rows: what it covers, and the rest.
    assert (len(rows), answer.status_code) == (rows_n, 200)
    assert sum(row["excluded"] == "true" for row in rows) == (4 if grain == "raw" else 1)


def test_mistakes_are_said_before_anything_is_sent(client: httpx.Client) -> None:
    both = client.get("/api/v1/export/light", params={**SPAN, "node": NODE, "site": "plaza"})
    assert both.json()["error"]["message"] == "give exactly one of node, site and lab"
    nobody = client.get("/api/v1/export/light", params={**SPAN, "node": "lamp-99"})
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "not_found")
    assert client.get("/api/v1/export/event", params={**SPAN, "node": NODE}).status_code == 400


def test_only_so_many_run_at_once_and_each_gives_its_place_back(client: httpx.Client) -> None:
    ask = {**SPAN, "node": NODE}
    for _ in range(routes.AT_ONCE):
        assert routes._slots.acquire(blocking=False)
    busy = client.get("/api/v1/export/light", params=ask)
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "busy")
    for _ in range(routes.AT_ONCE):
        routes._slots.release()
    for _ in range(routes.AT_ONCE + 1):
        assert client.get("/api/v1/export/light", params=ask).status_code == 200
