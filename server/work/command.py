"""`msl work`."""

import logging
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from server.db.connect import connect
from server.db.edition import read_edition
from server.lamps.watcher import LampWatcher
from server.settings import Settings, load
from server.work.loop import Worker
from server.work.metrics import WorkMetrics
from server.work.tasks import tasks

app = typer.Typer(add_completion=False)


@app.command()
def run(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due once, then end; fails if a task does.")
    ] = False,
) -> None:
    """Keep rollups and lamp states, drop what is past its time, notify; until Ctrl-C.

    Any number may run: one works, the others stand by. Example: msl work
    """
    values = load(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    dsn = values.dsn()
    with connect(dsn, name="msl work") as conn:
        typer.echo(f"msl work: {read_edition(conn)}")
    if once:
        with connect(dsn, name="msl work", autocommit=True) as conn:
            watcher = _lamp_watcher(values, WorkMetrics(), threading.Event())
            typer.echo(f"lamps: {watcher.look(conn)}")
            for task in tasks(values):
                typer.echo(f"{task.name}: {task.run(conn)}")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = WorkMetrics()
    metrics.serve(values.metrics_host, values.work_metrics_port)
    lamps = threading.Thread(target=_lamp_watcher(values, metrics, stop).run, name="lamps")
    lamps.start()
    try:
        Worker(
            lambda: connect(dsn, name="msl work", autocommit=True), tasks(values), metrics, stop
        ).run()
    finally:
        stop.set()
        lamps.join()
    typer.echo("msl work: stopped")


def _lamp_watcher(settings: Settings, metrics: WorkMetrics, stop: threading.Event) -> LampWatcher:
    return LampWatcher(
        lambda: connect(settings.dsn(), name="msl work lamps", autocommit=True),
        stop,
        kept=timedelta(days=settings.retention_light_days),
        failed=metrics.failures.labels("lamps").inc,
    )
