"""The placement view: nobody in it, coarse, on the local link, once, logged, ending by itself."""

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.events import Aim
from edge.command_spool import NodeRuns
from edge.errors import SettingsError
from edge.sensors.footfall.aim import AimSession
from edge.sensors.footfall.aim_command import serve, spool_of
from edge.sensors.footfall.aim_server import LONGEST_S, AimServer, check_local
from edge.sensors.footfall.aim_view import (
    MOST_WIDTH_PX,
    AimState,
    AimView,
    AimViewRejected,
    read_view,
)
from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.vision.aim import SAMPLE_S, WINDOW_S, Placement
from edge.settings import load
from edge.simulate.scene import StreetScene

MakeFrame = Callable[..., Frame]
GEOMETRY = Geometry(3, (Line("kerb", 64, 24, 64, 216),))
READY = AimView(
    state=AimState.READY, gathered_s=60, needed_s=60, frame_width=320, frame_height=240,
    width=4, height=3, grey=bytes(range(12)),
)  # fmt: skip


def gathered(scene: StreetScene, make: MakeFrame, seconds: float) -> AimView:
    """The view after watching a scene for so long."""
    placement, step = Placement(), SAMPLE_S
    for number in range(round(seconds / step)):
        frame = make(scene.render(round(number * step * scene.fps)), number, number * step)
        placement.add(frame)
    return placement.view(frame)


def test_people_who_walk_are_not_in_the_view(grey_frame: MakeFrame) -> None:
    walked = gathered(StreetScene(seed=31, people_per_min=10, loiterers=0), grey_frame, WINDOW_S)
    empty = gathered(StreetScene(seed=31, people_per_min=0), grey_frame, WINDOW_S)
    pictures = [
        np.frombuffer(view.grey, np.uint8).reshape(view.height, view.width).astype(float)
        for view in (walked, empty)
    ]
    off = np.abs(pictures[0] - pictures[1])
    # Noise and steps of grey differ; a body would be a patch that does.
    patches = off[: off.shape[0] // 4 * 4, : off.shape[1] // 4 * 4].reshape(18, 4, 24, 4)
    assert patches.mean(axis=(1, 3)).max() < 25
    assert off.mean() < 6


def test_the_view_is_coarse_and_comes_after_a_whole_minute(grey_frame: MakeFrame) -> None:
    scene = StreetScene(seed=32)
    early = gathered(scene, grey_frame, WINDOW_S - 5)
    assert (early.state, early.grey) == (AimState.GATHERING, b"")
    view = gathered(scene, grey_frame, WINDOW_S)
    assert view.state is AimState.READY
    assert view.width == MOST_WIDTH_PX
    assert len(set(view.grey)) > 10


def test_a_crowd_gets_no_view(grey_frame: MakeFrame) -> None:
    crowd = StreetScene(seed=33, people_per_min=200, groups=0.6, loiterers=0.5)
    view = gathered(crowd, grey_frame, WINDOW_S)
    assert (view.state, view.grey) == (AimState.BUSY, b"")


@pytest.mark.parametrize(
    "view",
    [
        AimView(**{**vars(READY), "width": MOST_WIDTH_PX + 1}),
        AimView(**{**vars(READY), "state": AimState.BUSY}),
        AimView(**{**vars(READY), "gathered_s": 4000}),
    ],
    ids=["too fine", "a picture while busy", "a median of an hour"],
)
def test_a_view_that_may_not_be_is_refused(view: AimView) -> None:
    reading, writing = os.pipe()
    os.write(writing, view.pack())
    with pytest.raises(AimViewRejected, match="view of"):
        read_view(reading)
    os.close(writing)
    os.close(reading)


def test_a_view_comes_through_the_two_caged_processes() -> None:
    source = SourceSpec.parse("scene:seed=4;seconds=64;fps=2")
    with AimSession(source) as session:
        assert session._reader
        session._reader.join(60)
        assert session.view is not None
        assert session.view.state is AimState.READY
        assert (session.view.width, session.view.height) == (96, 72)
    assert session.view is None


@pytest.mark.parametrize("address", ["0.0.0.0", "8.8.8.8", "224.0.0.1", "::1", "router"])
def test_only_an_address_of_the_local_link_is_served(address: str) -> None:
    with pytest.raises(SettingsError, match=f"address '?{address}"):
        check_local(address)


@pytest.fixture
def server() -> Iterator[AimServer]:
    """The page with a view that is there, served from a thread."""
    session = AimSession(SourceSpec.parse("scene:"))
    session.view = READY
    server = AimServer(session, GEOMETRY)
    server.timeout = 0.05
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            server.handle_request()

    thread = threading.Thread(target=answer)
    thread.start()
    yield server
    stop.set()
    thread.join()
    server.server_close()


def get(server: AimServer, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Host": server.host} | headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return found


def test_the_code_opens_the_page_once_and_for_one_browser(server: AimServer) -> None:
    assert get(server, "/")[0] == 403
    assert get(server, "/view")[0] == 403
    assert get(server, "/wrong")[0] == 403
    status, headers, _ = get(server, f"/{server.code}")
    cookie = headers["Set-Cookie"].split(";")[0]
    assert (status, headers["Location"]) == (303, "/")
    assert get(server, f"/{server.code}")[0] == 410
    assert get(server, "/", Cookie="aim=guess")[0] == 403
    status, headers, page = get(server, "/", Cookie=cookie)
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert "Placement view" in page


def test_the_page_shows_the_view_and_the_line_in_shares(server: AimServer) -> None:
    cookie = f"aim={server.cookie}"
    state = json.loads(get(server, "/view", Cookie=cookie)[2])
    assert (state["state"], state["width"], state["height"]) == ("ready", 4, 3)
    assert state["lines"] == [{"name": "kerb", "x1": 0.2, "y1": 0.1, "x2": 0.2, "y2": 0.9}]


def test_no_router_passes_the_view_on(server: AimServer) -> None:
    assert server.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1


def test_a_foreign_host_name_is_refused(server: AimServer) -> None:
    answer = get(server, "/view", Cookie=f"aim={server.cookie}", Host="evil.example")
    assert answer[0] == 421


def test_it_ends_by_itself_after_ten_minutes_whatever_was_asked() -> None:
    now = {"s": 0.0}
    server = AimServer(
        AimSession(SourceSpec.parse("scene:")), GEOMETRY, length_s=1e6, now_s=lambda: now["s"]
    )
    assert server.left_s == LONGEST_S
    now["s"] = LONGEST_S
    server.serve()
    server.server_close()


def test_opening_and_closing_are_events_and_a_running_node_keeps_it_shut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(None, [f"state_dir={tmp_path}", "node_id=aim-1"])
    with spool_of(settings, simulated=True) as spool:
        with pytest.raises(NodeRuns, match="stop it, aim, then start it again"):
            spool_of(settings, simulated=True)
        said: list[object] = []
        monkeypatch.setattr(spool, "event", said.append)
        serve(AimServer(AimSession(SourceSpec.parse("scene:")), GEOMETRY, length_s=0), spool)
    assert said == [Aim(started=True), Aim(started=False)]
    assert "http://127.0.0.1:" in capsys.readouterr().out
