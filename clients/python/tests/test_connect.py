"""Addresses, options, deadlines, retries and TLS."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from sessiond.v1 import session_service_pb2 as pb
from sessiond.v1.error_pb2 import ErrorReason

from sessiond_client import _files, connect, connect_async, session_error
from sessiond_client._channel import parse_address
from support import (
    DEFAULT_ANSWERS,
    METHODS,
    NOT_IDEMPOTENT,
    Certificates,
    FakeSessiond,
    closed_port,
    failing,
    hold,
    in_turn,
    request_of,
)

VALIDATE = pb.ValidateRequest(cookie="c")
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
STORAGE_UNAVAILABLE = ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "target", "tls"),
        [
            ("http://127.0.0.1:8480", "dns:///127.0.0.1:8480", False),
            ("http://sessiond", "dns:///sessiond:80", False),
            ("https://sessiond", "dns:///sessiond:443", True),
            ("HTTPS://Sessiond.example:9/", "dns:///sessiond.example:9", True),
            ("http://[::1]:8480", "dns:///[::1]:8480", False),
        ],
    )
    def test_become_targets(self, address: str, target: str, tls: bool) -> None:
        parsed = parse_address(address, None)
        assert (parsed.name, parsed.tls) == (target, tls)

    @pytest.mark.parametrize(
        ("address", "problem"),
        [
            ("", "must be http://host"),
            ("localhost:8480", "must be http://host"),
            ("ftp://host", "must be http://host"),
            ("dns:///host:1", "choose security"),
            ("http://", "with a host name"),
            ("http://a b", "with a host name"),
            ("http://host/path", "without path"),
            ("http://host?q=1", "without path, query"),
            ("http://host#f", "without path, query and fragment"),
            ("http://user:pw@host", "without user name"),
            ("http://host:0", "port"),
            ("http://host:70000", "port"),
            ("http://host:abc", "port"),
            ("http://user:pw/x@host", "port"),
            ("http://user:1/pw@host", "without path"),
            ("http://[::1", "must be http://host"),
        ],
    )
    def test_of_other_forms_are_refused(self, address: str, problem: str) -> None:
        for connecting in (connect, connect_async):
            with pytest.raises(ValueError, match=problem) as refused:
                connecting(address)
            assert "pw" not in str(refused.value)

    def test_can_be_targets_if_security_is_chosen(self) -> None:
        target = parse_address("dns:///a:1", "tls")
        assert (target.name, target.tls, target.local) == ("dns:///a:1", True, False)
        assert parse_address("dns:///localhost:1", "plaintext").local
        assert parse_address("unix:/run/sessiond", "plaintext").local
        with pytest.raises(ValueError, match="only for gRPC targets"):
            connect("http://host", security="tls")

    def test_are_not_connected_to_before_the_first_call(self) -> None:
        connect(closed_port()).close()
        connect_async(closed_port())


class TestOptions:
    @pytest.mark.parametrize("name", ["timeout", "keep_alive", "keep_alive_timeout"])
    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
    def test_of_time_are_positive(self, name: Any, value: float) -> None:
        with pytest.raises(ValueError, match=f"{name} must be a positive"):
            connect("http://host", **cast("Any", {name: value}))

    def test_that_do_not_exist_are_refused(self) -> None:
        with pytest.raises(TypeError, match="timout"):
            connect("http://host", timout=1)  # type: ignore[call-arg]

    def test_of_tls_must_fit(self) -> None:
        pem = "-----BEGIN CERTIFICATE-----"
        with pytest.raises(ValueError, match="ca is only used with TLS"):
            connect("http://host", ca=pem)
        with pytest.raises(ValueError, match="server_name is only used with TLS"):
            connect("http://host", server_name="a")
        with pytest.raises(ValueError, match="not its path"):
            connect("https://host", ca="/etc/ca.pem")
        with pytest.raises(ValueError, match="must be set together"):
            connect("https://host", client_key=pem)
        with pytest.raises(ValueError, match="ca_file is only used with TLS"):
            connect("http://host", ca_file="ca.pem")
        with pytest.raises(ValueError, match="client_key_file must be set together"):
            connect("https://host", client_key_file="key.pem")
        with pytest.raises(ValueError, match="ca and ca_file must not be set together"):
            connect("https://host", ca=pem, ca_file="ca.pem")


class TestTokens:
    @pytest.mark.parametrize("address", ["http://sessiond:8480", "http://192.0.2.1"])
    def test_are_not_sent_in_the_clear(self, address: str) -> None:
        for connecting in (connect, connect_async):
            with pytest.raises(ValueError, match="without TLS") as refused:
                connecting(address, token="secret")
            assert "secret" not in str(refused.value)
        connect(address, token="secret", allow_token_over_plaintext=True)

    @pytest.mark.parametrize("host", ["https://sessiond", "http://localhost", "http://[::1]"])
    def test_are_allowed_with_tls_and_on_this_machine(self, host: str) -> None:
        connect(host, token="secret")

    @pytest.mark.parametrize("token", ["", "secret\r\nx: y", "secret token", "secret\0", "sécret"])
    def test_that_cannot_be_sent_are_not_repeated(self, fake: FakeSessiond, token: str) -> None:
        with connect(fake.url, token=token) as client, pytest.raises(ValueError) as refused:
            client.Validate(VALIDATE)

        async def asynchronously() -> None:
            async with connect_async(fake.url, token=lambda: token) as client:
                await client.Validate(VALIDATE)

        with pytest.raises(ValueError) as refused_async:
            asyncio.run(asynchronously())
        for error in (refused.value, refused_async.value):
            assert str(error) == "the token must be visible ASCII characters, and not empty"
        assert fake.received == []

    def test_go_with_every_call(self, fake: FakeSessiond) -> None:
        tokens = iter(["one", "two"])
        with connect(fake.url, token=lambda: next(tokens)) as client:
            client.Validate(VALIDATE)
            client.Validate(VALIDATE, metadata=(("x-request-id", "r"),))
        with connect(fake.url) as client:
            client.Validate(VALIDATE)

        async def asynchronously() -> None:
            async with connect_async(fake.url, token="three") as client:
                await client.Validate(VALIDATE)

        asyncio.run(asynchronously())
        sent = [metadata.get("authorization") for metadata in fake.metadata]
        assert sent == ["Bearer one", "Bearer two", None, "Bearer three"]
        assert fake.metadata[1]["x-request-id"] == "r"


@pytest.fixture
def reread_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read again at each call, not only after a second."""
    monkeypatch.setattr(_files, "REREAD_AFTER", 0)


class TestTokenFiles:
    @pytest.mark.usefixtures("reread_at_each_call")
    def test_are_read_again(self, fake: FakeSessiond, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("one\n")
        with connect(fake.url, token_file=file) as client:
            client.Validate(VALIDATE)
            # Kubernetes replaces the directory to which the file's link leads.
            replacement = tmp_path / "new"
            replacement.write_text("  two\n")
            replacement.replace(file)
            client.Validate(VALIDATE)

            async def asynchronously() -> None:
                async with connect_async(fake.url, token_file=str(file)) as client:
                    await client.Validate(VALIDATE)
                    file.write_text("six")
                    await client.Validate(VALIDATE)

            asyncio.run(asynchronously())
        sent = [metadata["authorization"] for metadata in fake.metadata]
        assert sent == ["Bearer one", "Bearer two", "Bearer two", "Bearer six"]
        assert fake.peers[0] == fake.peers[1]
        assert fake.peers[2] == fake.peers[3]

    def test_are_not_read_at_each_call(
        self, fake: FakeSessiond, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_files, "REREAD_AFTER", 3600)
        file = tmp_path / "token"
        file.write_text("one")
        with connect(fake.url, token_file=file) as client:
            file.unlink()
            client.Validate(VALIDATE)
        assert fake.metadata[0]["authorization"] == "Bearer one"

    @pytest.mark.usefixtures("reread_at_each_call")
    def test_that_are_missing_or_wrong_are_named(self, fake: FakeSessiond, tmp_path: Path) -> None:
        file = tmp_path / "token"
        with pytest.raises(ValueError, match=f"token_file {file} cannot be read: No such file"):
            connect(fake.url, token_file=file)
        file.write_text("fine")
        with connect(fake.url, token_file=file) as client:
            for content in ("", " \n", "secret token", "secr\u00e9t"):
                file.write_text(content, encoding="utf-8")
                expected = f"the token in the file {file} must be visible ASCII characters"
                with pytest.raises(ValueError, match=expected) as refused:
                    client.Validate(VALIDATE)
                assert "secr" not in str(refused.value)
                assert session_error(refused.value).browser_status == 503
            assert fake.received == []
            file.unlink()
            with pytest.raises(ValueError, match="cannot be read"):
                client.Validate(VALIDATE)
            file.write_text("back")
            client.Validate(VALIDATE)
        assert fake.metadata[0]["authorization"] == "Bearer back"

    def test_are_kept_off_plain_text_and_need_no_token_beside_them(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("secret")
        with pytest.raises(ValueError, match="without TLS"):
            connect("http://sessiond:8480", token_file=file)
        connect("http://sessiond:8480", token_file=file, allow_token_over_plaintext=True)
        connect("https://sessiond", token_file=file)
        with pytest.raises(ValueError, match="must not be set together"):
            connect("https://sessiond", token="secret", token_file=file)


class TestDeadlines:
    def test_are_two_seconds(self, fake: FakeSessiond) -> None:
        with connect(fake.url) as client:
            client.Validate(VALIDATE)
            client.Validate(VALIDATE, timeout=60)
            client.Validate.future(VALIDATE).result()
            client.Validate.with_call(VALIDATE)
        with connect(fake.url, timeout=30) as client:
            client.Validate(VALIDATE)

        async def asynchronously() -> None:
            async with connect_async(fake.url) as client:
                await client.Validate(VALIDATE)
                await client.Validate(VALIDATE, timeout=60)

        asyncio.run(asynchronously())
        bounds = [(0, 3), (50, 61), (0, 3), (0, 3), (20, 31), (0, 3), (50, 61)]
        for remaining, (low, high) in zip(fake.remaining, bounds, strict=True):
            assert remaining is not None
            assert low < remaining < high

    def test_end_a_call(self, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = hold
        with connect(fake.url, timeout=0.2) as client, pytest.raises(grpc.RpcError) as failed:
            client.Validate(VALIDATE)
        error = session_error(failed.value)
        assert (error.code.name, error.browser_status) == ("DEADLINE_EXCEEDED", 503)


class TestRetries:
    @pytest.mark.parametrize("rpc", METHODS)
    @pytest.mark.parametrize("code", [UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
    def test_are_made_of_idempotent_calls(
        self, fake: FakeSessiond, rpc: str, code: grpc.StatusCode
    ) -> None:
        fake.answers[rpc] = failing(code)
        with connect(fake.url) as client, pytest.raises(grpc.RpcError) as failed:
            getattr(client, rpc)(request_of(rpc))
        assert failed.value.code() == code
        assert len(fake.received) == (1 if rpc in NOT_IDEMPOTENT else 3)

    def test_are_made_by_asyncio_too(self, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = in_turn(failing(UNAVAILABLE), DEFAULT_ANSWERS["Validate"])

        async def call() -> pb.ValidateResponse:
            async with connect_async(fake.url) as client:
                return await client.Validate(VALIDATE)

        assert asyncio.run(call()).session.actor_id == "alice"
        assert len(fake.received) == 2

    @pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN", "ABORTED", "UNAUTHENTICATED"])
    def test_are_not_made_after_other_failures(self, fake: FakeSessiond, code: str) -> None:
        fake.answers["Validate"] = failing(grpc.StatusCode[code])
        with connect(fake.url) as client, pytest.raises(grpc.RpcError):
            client.Validate(VALIDATE)
        assert len(fake.received) == 1

    def test_can_be_turned_off(self, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = failing(UNAVAILABLE)
        with connect(fake.url, retry=False) as client, pytest.raises(grpc.RpcError):
            client.Validate(VALIDATE)
        assert len(fake.received) == 1

    def test_wait_as_long_as_the_server_says(self, fake: FakeSessiond) -> None:
        away = failing(UNAVAILABLE, STORAGE_UNAVAILABLE, http_status=503, retry_after=0.3)
        fake.answers["Validate"] = in_turn(away, DEFAULT_ANSWERS["Validate"])
        with connect(fake.url) as client:
            client.Validate(VALIDATE)
        first, second = fake.times
        assert second - first >= 0.29

    def test_are_not_made_after_the_deadline(self, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = failing(
            UNAVAILABLE, STORAGE_UNAVAILABLE, http_status=503, retry_after=3600
        )
        with connect(fake.url, timeout=0.3) as client, pytest.raises(grpc.RpcError) as failed:
            client.Validate(VALIDATE)
        assert len(fake.received) == 1
        # gRPC's retry waits until the deadline, and then knows nothing of the first failure.
        assert session_error(failed.value).browser_status == 503


class TestChannels:
    def test_are_made_again_after_a_fork(
        self, fake: FakeSessiond, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = connect(fake.url)
        client.Validate(VALIDATE)
        before = client._channel.current()
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        client.Validate(VALIDATE)
        assert client._channel.current() is not before
        client.close()
        before.close()

    def test_belong_to_the_event_loop_of_a_call(self, fake: FakeSessiond) -> None:
        client = connect_async(fake.url)

        async def call() -> str:
            return (await client.Validate(VALIDATE)).session.actor_id

        assert [asyncio.run(call()), asyncio.run(call())] == ["alice", "alice"]
        assert len(client._channel._channels) == 1

    def test_make_no_calls_when_closed(self, fake: FakeSessiond) -> None:
        client = connect(fake.url)
        client.close()
        with pytest.raises(ValueError, match="closed"):
            client.Validate(VALIDATE)

        async def asynchronously() -> None:
            client = connect_async(fake.url)
            await client.close()
            with pytest.raises(ValueError, match="closed"):
                await client.Validate(VALIDATE)

        asyncio.run(asynchronously())
        assert fake.received == []


class TestTls:
    def test_checks_the_server(self) -> None:
        authority = Certificates()
        credentials = grpc.ssl_server_credentials([authority.issue("sessiond.test")])
        with FakeSessiond(credentials) as fake:
            with connect(fake.url, ca=authority.ca, server_name="sessiond.test") as client:
                assert client.Validate(VALIDATE).session.actor_id == "alice"
            plain = fake.url.replace("https", "http")
            for wrong in (
                connect(fake.url, ca=authority.ca),
                connect(fake.url, ca=Certificates().ca, server_name="sessiond.test"),
                connect(fake.url, server_name="sessiond.test"),
                connect(plain),
            ):
                with wrong as client, pytest.raises(grpc.RpcError) as failed:
                    client.Validate(VALIDATE)
                assert session_error(failed.value).browser_status == 503
            assert len(fake.received) == 1

    def test_shows_a_client_certificate(self) -> None:
        authority = Certificates()
        credentials = grpc.ssl_server_credentials(
            [authority.issue("sessiond.test")], authority.ca, require_client_auth=True
        )
        key, certificate = authority.issue("backend")
        with FakeSessiond(credentials) as fake:
            with connect(
                fake.url,
                ca=authority.ca.decode(),
                client_certificate=certificate,
                client_key=key,
                server_name="sessiond.test",
            ) as client:
                client.Validate(VALIDATE)
            with (
                connect(fake.url, ca=authority.ca, server_name="sessiond.test") as client,
                pytest.raises(grpc.RpcError),
            ):
                client.Validate(VALIDATE)
            assert len(fake.received) == 1


class MutualTls:
    """A server that requires client certificates, and the files of a client."""

    def __init__(self, directory: Path) -> None:
        self.authority = Certificates()
        self.ca = directory / "ca.pem"
        self.certificate = directory / "cert.pem"
        self.key = directory / "key.pem"
        self.ca.write_bytes(self.authority.ca)
        self.credentials = grpc.ssl_server_credentials(
            [self.authority.issue("sessiond.test")], self.authority.ca, require_client_auth=True
        )
        self.issue("one")

    def issue(self, name: str) -> None:
        """Replace the client's certificate and key."""
        key, certificate = self.authority.issue(name)
        self.key.write_bytes(key)
        self.certificate.write_bytes(certificate)

    @property
    def options(self) -> Any:
        return {
            "ca_file": self.ca,
            "client_certificate_file": self.certificate,
            "client_key_file": self.key,
            "server_name": "sessiond.test",
        }


class TestCertificateFiles:
    @pytest.mark.usefixtures("reread_at_each_call")
    def test_are_read_again(self, tmp_path: Path) -> None:
        tls = MutualTls(tmp_path)
        with FakeSessiond(tls.credentials) as fake, connect(fake.url, **tls.options) as client:
            for name in ("two", "three", None):
                client.Validate(VALIDATE)
                client.Validate(VALIDATE)
                if name is not None:
                    tls.issue(name)
            assert fake.certificate_names == ["one", "one", "two", "two", "three", "three"]
            # A connection goes on as long as its files do.
            assert len(set(fake.peers)) == 3

    @pytest.mark.usefixtures("reread_at_each_call")
    def test_are_read_again_by_asyncio(self, tmp_path: Path) -> None:
        tls = MutualTls(tmp_path)

        async def asynchronously(fake: FakeSessiond) -> None:
            async with connect_async(fake.url, **tls.options) as client:
                for name in ("two", "three", "four"):
                    await client.Validate(VALIDATE)
                    tls.issue(name)
                await client.Validate(VALIDATE)

        with FakeSessiond(tls.credentials) as fake:
            asyncio.run(asynchronously(fake))
            assert fake.certificate_names == ["one", "two", "three", "four"]

    @pytest.mark.usefixtures("reread_at_each_call")
    def test_do_not_end_calls_in_flight(self, tmp_path: Path) -> None:
        tls = MutualTls(tmp_path)
        with FakeSessiond(tls.credentials) as fake:
            arrived, answer = threading.Event(), threading.Event()

            def wait(_request: Any, _context: Any) -> Any:
                arrived.set()
                answer.wait(30)
                return DEFAULT_ANSWERS["Validate"]

            fake.answers["Validate"] = in_turn(wait, DEFAULT_ANSWERS["Validate"])
            with connect(fake.url, timeout=60, **tls.options) as client:
                in_flight = client.Validate.future(VALIDATE)
                arrived.wait(30)
                tls.issue("two")
                client.Validate(VALIDATE)
                answer.set()
                assert in_flight.result().session.actor_id == "alice"
            assert fake.certificate_names == ["one", "two"]

    @pytest.mark.usefixtures("reread_at_each_call")
    def test_that_are_wrong_leave_the_former_ones_in_use(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        tls = MutualTls(tmp_path)
        with FakeSessiond(tls.credentials) as fake, connect(fake.url, **tls.options) as client:
            # The new key is there before its certificate.
            tls.key.write_bytes(tls.authority.issue("other")[0])
            client.Validate(VALIDATE)
            client.Validate(VALIDATE)
            tls.certificate.unlink()
            client.Validate(VALIDATE)
            tls.issue("two")
            client.Validate(VALIDATE)
            assert fake.certificate_names == ["one", "one", "one", "two"]
        logged = [record.getMessage() for record in caplog.records]
        assert [str(tls.key) in line for line in logged] == [True, False]
        assert "cannot be read" in logged[1]
        assert "PRIVATE KEY" not in caplog.text

    def test_that_are_missing_or_wrong_are_named(self, tmp_path: Path) -> None:
        tls = MutualTls(tmp_path)
        missing, empty = tmp_path / "missing", tmp_path / "empty"
        empty.touch()
        for name in ("ca_file", "client_certificate_file", "client_key_file"):
            with pytest.raises(ValueError, match=f"{name} {missing} cannot be read"):
                connect("https://host", **{**tls.options, name: missing})
            with pytest.raises(ValueError, match=f"{name} {empty} must contain PEM"):
                connect("https://host", **{**tls.options, name: empty})
        tls.key.write_bytes(tls.authority.issue("other")[0])
        with pytest.raises(ValueError, match=f"{tls.key} must be a certificate and its key"):
            connect("https://host", **tls.options)
