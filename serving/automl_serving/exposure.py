"""Before a server starts: who can reach it, whether it must ask for keys, and whether its certificate is one."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import replace
from pathlib import Path

from automl.errors import OptionError
from automl_serving.keys import KeySource
from automl_serving.rates import Rate
from automl_serving.settings import Options


def exposed_options(options: Options, keys: bool | None, address: str, source: KeySource) -> Options:
    """The options of a server at a numeric address, with `loopback`, `require_keys` and absolute paths filled in.

    `keys`: whether clients show one; None: wherever others than this machine can reach the server. Raises OptionError
    for a rate or certificate that is none, and where keys are needed and the source has none.
    """
    if options.rate:
        Rate.parse(options.rate)
    loopback = ipaddress.ip_address(address).is_loopback
    needed = not loopback if keys is None else keys
    if needed and not source.valid():
        raise OptionError(
            "The store has no key that --keys could ask for."
            if keys
            else f"A server at {address} can be reached by others and asks them for keys, and the store has none.",
            "Make one: automl keys create NAME --scope predict. Or let everybody in with --no-keys.",
        )
    certificate, key = (str(Path(path).resolve()) if path else "" for path in (options.tls_cert, options.tls_key))
    _check_certificate(certificate, key)
    return replace(options, loopback=loopback, require_keys=needed, tls_cert=certificate, tls_key=key)


def _check_certificate(certificate: str, key: str) -> None:
    """OptionError unless both files are there and belong together, or neither is given."""
    if not certificate and not key:
        return
    if not certificate or not key:
        raise OptionError("--tls-cert and --tls-key belong together.", "Give both, or neither.")
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise OptionError(
                f"{option} {path} cannot be read: {error.strerror}.", "Give a file in PEM form."
            ) from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise OptionError(
            f"{certificate} and {key} are no certificate and its key.",
            "Give PEM files that belong together, the key without a password.",
        ) from error
