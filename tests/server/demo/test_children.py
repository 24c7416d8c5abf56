"""The demo's processes: what ends too early is named, and nothing outlives the demo."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from server.demo.children import ChildDied, Children

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("ingest", [sys.executable, "-c", "print('no broker'); exit(3)"], {})
        with pytest.raises(ChildDied, match=r"ingest ended with exit code 3(.|\n)*no broker"):
            _until_died(children)


def test_a_process_that_is_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("serve", SLEEP, {})
        (child,) = sleeping()
        child.kill()
        with pytest.raises(ChildDied, match="serve ended with signal SIGKILL"):
            _until_died(children)


def test_the_environment_is_added_to_our_own(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("env", ["/bin/sh", "-c", 'echo $MSL_X; test -n "$PATH"'], {"MSL_X": "7"})
        with pytest.raises(ChildDied, match="exit code 0"):
            _until_died(children)
        assert (tmp_path / "env.log").read_text() == "7\n"


def test_stopping_ends_every_process(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("a", SLEEP, {})
        children.start("b", SLEEP, {})
        running = sleeping()
        assert len(running) == 2
    assert not any(child.is_running() for child in running)


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from server.demo.children import Children\n"
        f"with Children(pathlib.Path({str(tmp_path)!r})) as c:\n"
        f"    c.start('a', {SLEEP!r}, {{}})\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert gone
    assert not alive


def sleeping() -> list[psutil.Process]:
    """The processes started here; the test run may have others, such as a database."""
    return [child for child in psutil.Process().children() if child.cmdline()[-3:] == SLEEP]


def _until_died(children: Children) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children.check()
        time.sleep(0.05)
