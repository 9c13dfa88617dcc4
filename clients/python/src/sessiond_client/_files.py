"""Credentials in files that are replaced while the client runs."""

from __future__ import annotations

import logging
import os
import re
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

REREAD_AFTER = 1.0
"""Seconds. Content is compared, not times: a file can change twice within one tick of its mtime."""

_log = logging.getLogger("sessiond_client")


def checked_token(token: str, name: str) -> str:
    """Return the token.

    Raises:
        ValueError: It cannot be a header. The message has the name, not the token.
    """
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError(f"{name} must be visible ASCII characters, and not empty")
    return token


class TokenFile:
    """A function that returns the token in a file, read again when a second has passed.

    Raises:
        ValueError: The file cannot be read, or what it contains cannot be a header. The message
            names the file. A later call reads it again.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file for the first time."""
        self._path = os.fspath(path)
        self._last = (time.monotonic(), self._read())

    def __call__(self) -> str:
        """Return the token. Thread-safe."""
        read_at, token = self._last
        now = time.monotonic()
        if now - read_at >= REREAD_AFTER:
            token = self._read()
            self._last = (now, token)
        return token

    def _read(self) -> str:
        # Bytes that are not ASCII become characters that checked_token refuses.
        token = read_file("token_file", self._path).decode("latin-1").strip()
        return checked_token(token, f"the token in the file {self._path}")


@dataclass(frozen=True)
class Pem:
    """What TLS is made of, in PEM. None stands for gRPC's own roots, or no client certificate."""

    ca: bytes | None
    client_certificate: bytes | None
    client_key: bytes | None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them for a channel."""
        return grpc.ssl_channel_credentials(
            root_certificates=self.ca,
            private_key=self.client_key,
            certificate_chain=self.client_certificate,
        )

    def __repr__(self) -> str:
        """Return no key."""
        return "Pem(…)"


class CertificateFiles:
    """gRPC's credentials from PEM files, which are read again when a second has passed.

    Raises:
        ValueError: A file cannot be read or is no PEM, or the certificate and the key do not belong
            together.
    """

    def __init__(self, fixed: Pem, paths: dict[str, str]) -> None:
        """Read the files for the first time.

        Args:
            fixed: What does not come from files.
            paths: The files, by the names of Pem's attributes.
        """
        self._fixed = fixed
        self._paths = paths
        self._read_at = time.monotonic()
        self._pem = self._read()
        self._credentials = self._pem.credentials()
        self._problem = ""

    def __call__(self) -> grpc.ChannelCredentials:
        """Return the same object until a file changes.

        While the new files are not complete, the former ones stay in force.
        """
        now = time.monotonic()
        if now - self._read_at < REREAD_AFTER:
            return self._credentials
        self._read_at = now
        try:
            pem = self._read()
        except ValueError as error:
            if str(error) != self._problem:
                _log.warning("the former certificates stay in use: %s", error)
            self._problem = str(error)
            return self._credentials
        self._problem = ""
        if pem != self._pem:
            self._pem, self._credentials = pem, pem.credentials()
        return self._credentials

    def _read(self) -> Pem:
        read = {}
        for name, path in self._paths.items():
            read[name] = read_file(f"{name}_file", path)
            if b"-----BEGIN " not in read[name]:
                raise ValueError(f"{name}_file {path} must contain PEM")
        self._check_pair()
        return Pem(**{**vars(self._fixed), **read})

    def _check_pair(self) -> None:
        """Refuse a pair that does not match, with which gRPC would only fail to connect."""
        certificate, key = (self._paths.get(f"client_{name}") for name in ("certificate", "key"))
        if certificate is None or key is None:
            return
        try:
            # An encrypted key must not ask for its password on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            problem = getattr(error, "reason", None) or type(error).__name__
            raise ValueError(
                f"client_certificate_file {certificate} and client_key_file {key} must be a "
                f"certificate and its key without a password: {problem}"
            ) from None


def read_file(option: str, path: str) -> bytes:
    """Return the content of a file.

    Raises:
        ValueError: It cannot be read. The message names the option and the file.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be read: {error.strerror}") from None
