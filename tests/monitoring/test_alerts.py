"""Alerts through real channels: signed, sent once, never in the way, and sent again when nobody took them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.errors import OptionError
from automl.store import CheckRecord, Job, Store
from automl_monitoring.alerts import Alerter, happened_to, state_of
from automl_monitoring.channels import SIGNATURE, ChannelError, channels_of, post, run, send_mail, signature
from automl_monitoring.policy import AlertPolicy
from tests.monitoring.receivers import hook, mailbox

PAYLOAD = {"model": "churn", "state": "act", "why": "Größe moved", "text": "churn is act: Größe moved"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Store]:
    """A store without a model: alerts need none."""
    made = Store(tmp_path / "store")
    yield made
    made.close()


def test_a_webhook_is_signed() -> None:
    with hook() as receiver:
        post(receiver.url, PAYLOAD, "s3cret")
    assert json.loads(receiver.bodies[0]) == PAYLOAD
    header = receiver.headers[0][SIGNATURE]
    moment = int(header.split(",")[0].removeprefix("t="))
    assert header == signature(receiver.bodies[0], "s3cret", moment)
    assert header != signature(receiver.bodies[0], "another", moment)


def test_a_webhook_is_tried_again_and_follows_nothing() -> None:
    with hook(503, 429) as receiver:
        post(receiver.url, PAYLOAD, "")
        assert len(receiver.bodies) == 3
        assert SIGNATURE not in receiver.headers[0]
    with hook(302) as receiver:
        with pytest.raises(ChannelError, match="the answer was 302"):
            post(receiver.url, PAYLOAD, "s3cret")
        assert receiver.paths == ["/hook"]
    with pytest.raises(ChannelError, match="nobody answered"):
        post(receiver.url, PAYLOAD, "")


def test_a_command_gets_it_on_its_standard_input(tmp_path: Path) -> None:
    kept = tmp_path / "kept; touch x.json"
    run((sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", str(kept)), PAYLOAD)
    assert json.loads(kept.read_text()) == PAYLOAD
    with pytest.raises(ChannelError, match="ended with 3"):
        run((sys.executable, "-c", "import sys; print('secret'); sys.exit(3)"), PAYLOAD)
    with pytest.raises(ChannelError, match="cannot be run: no such file"):
        run(("/no/such/program",), PAYLOAD)


def test_mail_is_sent_and_a_password_is_not_given_in_clear() -> None:
    with mailbox() as box:
        policy = AlertPolicy(mail_to=("a@b.test",), mail_from="automl@b.test", smtp=f"127.0.0.1:{box.port}")
        send_mail(policy, PAYLOAD, "")
        assert "Subject: automl: churn act" in box.text
        assert "RCPT TO:<a@b.test>" in box.text.replace("rcpt", "RCPT")
        with pytest.raises(ChannelError, match="offers no STARTTLS"):
            send_mail(policy, PAYLOAD, "s3cret")
        assert "s3cret" not in box.text
        with pytest.raises(ChannelError):
            send_mail(policy.model_copy(update={"mail_to": ("a@nowhere.test",)}), PAYLOAD, "")


def test_a_secret_that_is_not_there_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOML_WEBHOOK_SECRET", raising=False)
    asked = AlertPolicy(webhook="http://127.0.0.1:9/")
    with pytest.raises(OptionError, match=r"AUTOML_WEBHOOK_SECRET, which is not set.*secret_env"):
        channels_of(asked)
    monkeypatch.setenv("AUTOML_WEBHOOK_SECRET", "s3cret")
    assert set(channels_of(asked)) == {"webhook"}
    assert set(channels_of(AlertPolicy(webhook="http://127.0.0.1:9/", secret_env=""))) == {"webhook"}
    with pytest.raises(OptionError, match="does not say from whom"):
        channels_of(AlertPolicy(mail_to=("a@b.test",)))


def checked(number: int, verdict: str, performance: str = "", blocks: bool = False) -> CheckRecord:
    """The check of window `number`."""
    findings = [{"check": "performance", "verdict": performance}] if performance else []
    summary: dict[str, Any] = {"blocks": blocks, "last": number, "findings": findings, "reasons": [f"reason {number}"]}
    return CheckRecord("churn", 1, verdict, 100, summary, sequence=number)


def test_the_state_is_that_of_the_newest_window_and_of_the_newest_labels() -> None:
    assert state_of([])[0] == ""
    assert state_of([checked(1, "unknown")])[0] == ""
    assert state_of([checked(1, "act"), checked(2, "healthy")])[0] == "healthy"
    fell = checked(1, "act", "act")
    assert state_of([fell, checked(2, "healthy")]) == ("act", fell)
    assert state_of([fell, checked(2, "healthy", "healthy")])[0] == "healthy"
    assert state_of([fell, checked(2, "watch", blocks=True)])[0] == "blocked"
    again = replace(checked(1, "act", "act"), sequence=3)  # window 1, once its labels had come
    assert state_of([checked(2, "healthy"), again])[0] == "act"


def test_each_change_of_state_is_told_once(home: Store) -> None:
    with hook() as receiver, Alerter(home, "churn", print) as alerter:
        alerter.channels = channels_of(AlertPolicy(webhook=receiver.url, secret_env=""))
        history = [checked(1, "healthy"), checked(2, "act"), checked(3, "act"), checked(4, "watch", blocks=True)]
        for seen in range(1, len(history) + 1):
            alerter.note_checks(history[:seen])
            alerter.note_checks(history[:seen])
        job = Job("churn", "kept", "it fell", {"challenger": 2, "champion": 1, "ended_why": "not better"}, sequence=7)
        alerter.note_job(job)
        alerter.note_job(job)
    told = [json.loads(body) for body in receiver.bodies]
    assert [each["state"] for each in told] == ["act", "blocked", "retrained", "kept"]
    assert [each["subject"] for each in told] == ["check 2", "check 4", "job 7", "job 7"]
    assert told[0]["why"] == "reason 2"
    assert all(alert.sent == {"webhook": ""} for alert in home.alerts.of("churn"))


def test_what_nobody_took_is_sent_again(home: Store) -> None:
    said: list[str] = []
    with hook(400) as receiver:
        policy = AlertPolicy(webhook=receiver.url, secret_env="", command=(sys.executable, "-c", ""))
        with Alerter(home, "churn", said.append) as alerter:
            alerter.channels = channels_of(policy)
            alerter.note_checks([checked(2, "act")])
        [alert] = home.alerts.of("churn")
        assert alert.sent == {"webhook": "the answer was 400", "command": ""}
        assert said == ["The alert 'act' was not sent by webhook: the answer was 400. It is tried again."]
        with Alerter(home, "churn", said.append) as alerter:
            alerter.channels = channels_of(policy)
            alerter.send_again()
        with Alerter(home, "churn", said.append) as alerter:
            alerter.channels = channels_of(policy)
            alerter.send_again()
    assert len(receiver.bodies) == 2
    [alert] = home.alerts.of("churn")
    assert alert.sent == {"webhook": "", "command": ""}


def test_what_happened_in_a_retraining() -> None:
    asked = Job("churn", "asked", "it fell", {"champion": 1}, sequence=3)
    assert [state for state, _ in happened_to(asked)] == ["asked"]
    detail = {"champion": 1, "challenger": 2, "ended_why": "better", "rolled_back": "worse"}
    promoted = replace(asked, stage="promoted", detail=detail)
    assert [state for state, _ in happened_to(promoted)] == ["retrained", "promoted", "rolled back"]
