"""What the tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessiond_client.testing import TestSessiond, create_test_sessiond
from support import FakeSessiond

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]

if "SESSIOND_COMMAND" not in os.environ:
    # The repository's own sessiond, on the repository's own Node.
    os.environ["SESSIOND_COMMAND"] = f"node {ROOT}/bin/sessiond.js"
    os.environ["PATH"] = f"{ROOT}/node_modules/.bin:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def sessiond() -> Iterator[TestSessiond]:
    """A real sessiond."""
    with create_test_sessiond(cookie_secure=False) as sessiond:
        yield sessiond


@pytest.fixture
def fake() -> Iterator[FakeSessiond]:
    """A server that answers as the test says."""
    with FakeSessiond() as fake:
        yield fake
