"""The real sessiond for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessiond.v1 import session_pb2
from sessiond.v1 import session_service_pb2 as pb

from sessiond_client.testing import create_test_sessiond

if TYPE_CHECKING:
    from sessiond_client.testing import TestSessiond


def test_it_serves_calls(sessiond: TestSessiond) -> None:
    actor = session_pb2.ActorRef(actor_type="user", actor_id="alice")
    created = sessiond.client.Create(pb.CreateRequest(actor=actor))
    assert created.set_cookies[0].name == "session"


def test_it_takes_settings_stops_and_cleans_up() -> None:
    script = (
        "import os, signal, sys\n"
        "os.mkdir(os.environ['SESSIOND_DATA_DIR'])\n"
        "print('hello', file=sys.stderr)\n"
        "keys = sorted(k for k in os.environ if k.startswith('SESSIOND_'))\n"
        "open(os.environ['RESULT'], 'w').write(' '.join(keys))\n"
        "print('sessiond 1 listens on http://127.0.0.1:1 (gRPC)', flush=True)\n"
        "signal.sigwait([signal.SIGTERM])\n"
    )
    result = Path(__file__).with_name(".result")
    sessiond = create_test_sessiond(
        command=[
            sys.executable,
            "-c",
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n" + script,
        ],
        cookie_secure=True,
        settings={"RESULT": str(result), "SESSIOND_IDLE_TIMEOUT": "2s"},
    )
    try:
        assert sessiond.url == "http://127.0.0.1:1"
        assert result.read_text().split() == [
            "SESSIOND_COOKIE_SECURE",
            "SESSIOND_DATA_DIR",
            "SESSIOND_IDLE_TIMEOUT",
            "SESSIOND_PORT",
        ]
        assert sessiond._directory.is_dir()
    finally:
        sessiond.stop()
        result.unlink()
    assert sessiond._process.returncode == 0
    assert not sessiond._directory.exists()
    sessiond.stop()


def test_a_start_that_fails_says_why() -> None:
    script = "import sys; print('out'); sys.exit('no such setting')"
    with pytest.raises(RuntimeError, match=r"(?s)exit code 1:.*no such setting"):
        create_test_sessiond(command=[sys.executable, "-c", script])
    with pytest.raises(FileNotFoundError):
        create_test_sessiond(command=["/no/such/program"])
