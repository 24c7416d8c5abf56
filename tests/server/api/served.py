"""`msl serve` on a real socket, so that streams, headers and shutdown are those of production."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from fastapi import FastAPI

from server.api.app import create_app
from server.api.command import Server, server_config

TOKEN = "0123456789abcdef0123456789abcdef"


@contextmanager
def served(dsn: str, *, write_token: str | None = None) -> Iterator[httpx.Client]:
    """A client of an application that runs in a thread, on a free port of loopback."""
    with (
        running(create_app(dsn, write_token=write_token)) as url,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        yield client


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The URL of `app`, which stops when the block ends; port 0 takes a free one."""
    server = Server(server_config(app, "127.0.0.1", port))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 15
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise AssertionError("msl serve did not start within 15 s")
        time.sleep(0.02)
    bound = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "msl serve did not stop within 15 s"
