"""This is where trust in a server is set up: always verified, by the company's own authority if it has one."""

import ssl
import tempfile
from pathlib import Path

from connectors.definition import Facts, LocalPath, Secret


class Tls(Facts):
    """How an HTTPS server is trusted. There is no switch to trust everybody."""

    ca: LocalPath | None = None
    """A PEM file with the authorities to trust instead of the machine's own, for a company's private authority."""
    client_cert: Secret | None = None
    """Our own certificate and its key in one PEM text, for systems that want mutual TLS."""


def tls_context(ca: Path | None, client_cert: str | None) -> ssl.SSLContext:
    """A context for TLS 1.2 and later that checks chain and host name. *client_cert* is PEM text, key included.

    Raises OSError or ssl.SSLError for a file that is none.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert is not None:
        _load_certificate(context, client_cert)
    return context


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    # OpenSSL takes files only; the file is ours alone (0600) and gone before this function returns
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(pem)
    try:
        context.load_cert_chain(file.name)
    finally:
        Path(file.name).unlink()
