"""A real sessiond for the tests of an application.

@pytest.fixture(scope="session")
def sessiond():
    with create_test_sessiond(cookie_secure=False) as sessiond:
        yield sessiond
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ._sync import Client, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

_START_SECONDS = 60
_STOP_SECONDS = 30
_CLIENT_SECONDS = 30
_KEPT_LINES = 200


class TestSessiond:
    """A running sessiond, with an empty database of its own. Made by `create_test_sessiond`.

    Attributes:
        url: Its address, such as `http://127.0.0.1:41234`.
        client: A client of it. Its timeout is 30 seconds: a test machine can be slow.
    """

    __test__ = False  # Not a class of tests.

    def __init__(self, url: str, process: subprocess.Popen[str], directory: Path) -> None:
        """Take a process that has started."""
        self.url = url
        self.client: Client = connect(url, timeout=_CLIENT_SECONDS)
        self._process = process
        self._directory = directory

    def stop(self) -> None:
        """Stop it and remove its database. A second call does nothing."""
        self.client.close()
        _end(self._process, self._directory)

    def __enter__(self) -> Self:
        """Return the running sessiond."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()


def create_test_sessiond(
    *,
    command: Sequence[str] | None = None,
    cookie_secure: bool | None = None,
    settings: Mapping[str, str] | None = None,
) -> TestSessiond:
    """Start a sessiond and wait until it serves calls.

    Args:
        command: What starts it. By default, the environment variable SESSIOND_COMMAND, split at
            spaces, or else `npx --no sessiond`.
        cookie_secure: False: cookies work without TLS, and are named `session` and `csrf`.
        settings: Further settings of sessiond, such as `{"SESSIOND_IDLE_TIMEOUT": "2s"}`.

    Raises:
        RuntimeError: It did not start within a minute; the message has what it printed.
        OSError: The command cannot be run.
    """
    if command is None:
        command = os.environ.get("SESSIOND_COMMAND", "").split() or ["npx", "--no", "sessiond"]
    directory = Path(tempfile.mkdtemp(prefix="sessiond-"))
    # PostgreSQL does not run as root. Started by root, it runs as another user, who must get here.
    directory.chmod(0o755)
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"SESSIOND_PORT": "0", "SESSIOND_DATA_DIR": str(directory / "data")}
    if cookie_secure is not None:
        environment["SESSIOND_COOKIE_SECURE"] = "true" if cookie_secure else "false"
    environment |= settings or {}
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except BaseException:
        shutil.rmtree(directory)
        raise
    try:
        url = _wait_for_url(process, command)
    except BaseException:
        _end(process, directory)
        raise
    return TestSessiond(url, process, directory)


def _wait_for_url(process: subprocess.Popen[str], command: Sequence[str]) -> str:
    lines: queue.Queue[str | None] = queue.Queue()
    errors: deque[str] = deque(maxlen=_KEPT_LINES)
    # Both are read to the end: a full pipe would stop the process.
    readers = [
        threading.Thread(target=_forward, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_keep, args=(process.stderr, errors), daemon=True),
    ]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            problem = f"did not start within {_START_SECONDS} seconds"
            break
        if line is None:
            process.wait()
            readers[1].join()
            problem = f"ended with exit code {process.returncode}"
            break
        found = re.search(r"listens on (https?://\S+)", line)
        if found:
            return found[1]
        errors.append(line)
    raise RuntimeError(f"{' '.join(command)} {problem}:\n{''.join(errors)}")


def _forward(stream: IO[str], put: Callable[[str | None], None]) -> None:
    with stream:
        for line in stream:
            put(line)
    put(None)


def _keep(stream: IO[str], lines: deque[str]) -> None:
    with stream:
        lines.extend(stream)


def _end(process: subprocess.Popen[str], directory: Path) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    shutil.rmtree(directory, ignore_errors=True)
