"""The ways in which an alert leaves this machine: a signed webhook, a command, e-mail. Each raises what went wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import smtplib
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import IO, Any

from automl.errors import OptionError
from automl_monitoring.policy import AlertPolicy

SIGNATURE = "X-Automl-Signature"
TIMEOUT_S = 10.0
COMMAND_S = 30.0
WAITS_S = (0.5, 2.0)  # before the second and the third attempt of a webhook
SMTP_PORT = 25

Payload = Mapping[str, Any]
Channel = Callable[[Payload], None]


class ChannelError(Exception):
    """An alert could not be sent, and why, in words without anything secret."""


def channels_of(policy: AlertPolicy) -> dict[str, Channel]:
    """What a policy asks for, by name. OptionError where a secret that it names is not there."""
    channels: dict[str, Channel] = {}
    if policy.webhook:
        secret = _secret(policy.secret_env, "webhook", 'say secret_env = "" in [alerts] to send unsigned')
        channels["webhook"] = lambda payload: post(policy.webhook, payload, secret)
    if policy.command:
        channels["command"] = lambda payload: run(policy.command, payload)
    if policy.mail_to:
        if not policy.smtp or not policy.mail_from:
            raise OptionError(
                "The policy sends mail and does not say from whom, or through which server.",
                'Give mail_from and smtp = "HOST:PORT" in [alerts].',
            )
        needed = "say no smtp_user in [alerts] to log in nowhere"
        password = _secret(policy.smtp_password_env, "mail server", needed) if policy.smtp_user else ""
        channels["mail"] = lambda payload: send_mail(policy, payload, password)
    return channels


def post(address: str, payload: Payload, secret: str) -> None:
    """POST an alert as JSON, three times at most. Nothing is followed elsewhere: a redirect is a failure.

    With a secret the header X-Automl-Signature is `t=SECONDS,v1=HEX`: HMAC-SHA256 of "SECONDS.BODY", as Stripe signs
    its webhooks; whoever receives it refuses old times, so that nothing can be sent to it again.
    """
    body = json.dumps(payload, ensure_ascii=False).encode()
    for attempt in range(len(WAITS_S) + 1):
        headers = {"Content-Type": "application/json", "User-Agent": "automl"}
        if secret:
            headers[SIGNATURE] = signature(body, secret, int(time.time()))
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
                answer.read(1024)
                return
        except urllib.error.HTTPError as error:
            problem, lasting = f"the answer was {error.code}", 300 <= error.code < 500 and error.code != 429
            error.close()
        except (OSError, ValueError) as error:  # no route, no name, no time; an address that is none
            reason = getattr(error, "reason", error)
            problem, lasting = (
                f"nobody answered ({str(reason) or type(reason).__name__})",
                isinstance(error, ValueError),
            )
        if lasting or attempt == len(WAITS_S):
            raise ChannelError(problem)
        time.sleep(WAITS_S[attempt])


def signature(body: bytes, secret: str, moment: int) -> str:
    """The header that signs a body at a moment (seconds since 1970)."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def run(words: tuple[str, ...], payload: Payload) -> None:
    """Run a command, no shell, with the alert as JSON on its standard input; what it prints is not kept."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    silent = subprocess.DEVNULL
    try:
        ended = subprocess.run(
            list(words),
            input=body,
            stdout=silent,
            stderr=silent,
            timeout=COMMAND_S,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ChannelError(f"{words[0]} took more than {COMMAND_S:.0f} s") from error
    except OSError as error:
        raise ChannelError(f"{words[0]} cannot be run: {(error.strerror or str(error)).lower()}") from error
    if ended.returncode:
        raise ChannelError(f"{words[0]} ended with {ended.returncode}")


def send_mail(policy: AlertPolicy, payload: Payload, password: str) -> None:
    """Send an alert as mail. STARTTLS wherever the server offers it; a password is given after it only."""
    message = EmailMessage()
    message["From"], message["To"] = policy.mail_from, ", ".join(policy.mail_to)
    message["Subject"] = f"automl: {payload['model']} {payload['state']}"
    message.set_content(f"{payload['text']}\n\n{json.dumps(payload, indent=1, ensure_ascii=False)}\n")
    host, _, port = policy.smtp.rpartition(":") if ":" in policy.smtp else (policy.smtp, "", str(SMTP_PORT))
    try:
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_S) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            elif password:
                raise ChannelError(f"{policy.smtp} offers no STARTTLS, and the password is not given without it")
            if password:
                server.login(policy.smtp_user, password)
            server.send_message(message)
    except smtplib.SMTPResponseException as error:  # its text may quote what was sent
        raise ChannelError(f"{policy.smtp} refused it with {error.smtp_code}") from error
    except (OSError, ValueError) as error:  # smtplib's own errors are OSErrors
        raise ChannelError(f"{policy.smtp}: {error or type(error).__name__}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is signed for one address is sent to no other."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], *rest: Any) -> None:
        return None


def _secret(variable: str, what: str, otherwise: str) -> str:
    if not variable:
        return ""
    if not os.environ.get(variable):
        raise OptionError(
            f"The secret of the {what} stands in {variable}, which is not set.", f"Set it, or {otherwise}."
        )
    return os.environ[variable]
