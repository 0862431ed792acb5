"""The policy of a model's monitor, one TOML file: windows, checks, retraining, gate, rollout, alerts.

Every value has a default; `automl monitor policy` prints them. Shares are 0 to 1, times durations: 90s, 12h, 30d.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from automl.errors import OptionError
from automl.search.budget import parse_duration

LONGEST_S = 3650 * 86_400.0  # a longer one is a slip of the pen, and no calendar holds it
NO_TIME = re.compile(r"\s*(0+(\.0+)?\s*(s|m|min|h|d)?)?\s*")


def seconds_of(duration: str) -> float:
    """The seconds of a duration such as 90s, 12h or 30d; 0 for an empty one. OptionError for what is none."""
    return 0.0 if NO_TIME.fullmatch(duration) else parse_duration(duration)


def _is_duration(text: str) -> str:
    try:
        seconds = seconds_of(text)
    except OptionError as error:
        raise ValueError("Input should be a duration such as 90s, 12h or 30d") from error
    if seconds > LONGEST_S:
        raise ValueError("Input should be a duration of at most 3650d")
    return text


def _is_web_address(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("Input should be a web address that begins with https:// or http://")
    return text


Enough = Annotated[int, Field(ge=20)]  # rows: of fewer no test says anything
Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Duration = Annotated[str, AfterValidator(_is_duration)]
WebAddress = Annotated[str, AfterValidator(_is_web_address)]


class Section(BaseModel):
    """A table of the file: frozen, and a name that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WindowPolicy(Section):
    """How the log is cut: by count (`rows`), or by time where `every` is given.

    Windows of fewer than `least_rows` are joined with the next.
    """

    rows: PositiveInt = 1000
    every: Duration = ""
    least_rows: PositiveInt = 50


class CheckPolicy(Section):
    """When a difference counts.

    `significance`: false discovery rate over the columns of a window and over all windows, and the level at which a
    fall of performance must hold. `effect_floor`: the smallest distance that counts, however certain. `act_usage`:
    share of the model's usage that moved columns must carry to act. `ignored_usage`: share below which a broken column
    is only watched. `act_prediction`: distance of the predictions at which to act. `margin`: how much of the score may
    be lost before it matters, absolute where higher is better, else relative to the reference.
    """

    least_rows: Enough = 50
    least_labels: Enough = 50
    significance: Share = 0.01
    effect_floor: Share = 0.1
    act_usage: Share = 0.3
    ignored_usage: Share = 0.05
    act_prediction: Share = 0.25
    margin: NonNegative = 0.02


class RetrainPolicy(Section):
    """When a challenger is trained, and from what.

    `approval`: auto, or ask, where `automl monitor approve` has to say yes. `schedule`: train at the latest so long
    after the last time; empty for never. `label_lag`: how long labels take: rows younger than that do not
    count. `time`: for the champion's recipe first, then for a search that starts from its journal. `most_outside`:
    share of the training rows that may come from labels sent over HTTP. `judge_share`: of the labelled rows, the
    newest, are held out to judge both models, `least_judges` at least. `complete`: a winner is taught on them, too,
    before it answers. `staleness`: how sure it must be that the champion's recipe, taught on the new rows, is better
    than the champion, for that alone to call for a training; asked when `least_labels` are new to the champion and 100
    came since it was asked last, with `cooldown` between; 0 for never. `cores`: how many training may use, at low
    priority; 0 for half of them.
    """

    approval: Literal["auto", "ask"] = "auto"
    time: Duration = "5m"
    cooldown: Duration = "24h"
    daily: NonNegativeInt = 2
    monthly: NonNegativeInt = 10
    schedule: Duration = ""
    least_labels: PositiveInt = 500
    least_per_class: NonNegativeInt = 20
    label_lag: Duration = "0s"
    most_outside: Share = 0.5
    judge_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    least_judges: Annotated[int, Field(ge=20)] = 50
    complete: bool = True
    staleness: Share = 0.9
    cores: NonNegativeInt = 0


class GatePolicy(Section):
    """When a challenger may be promoted: the gain's lower bound above -`margin`, and better with probability `sure`.

    `least_gain`: a smaller share of what the champion is better than a constant is not worth a change.
    No slice may be worse than `slice_margin`, nor the probabilities less true than `calibration_margin`; one row may
    take `latency_factor` times the champion's time or `latency_ms`, and the artifact `size_factor` times its bytes or
    `size_mb`.
    """

    margin: NonNegative = 0.0
    sure: Share = 0.95
    least_gain: Share = 0.01
    slice_margin: NonNegative = 0.05
    calibration_margin: NonNegative = 0.05
    latency_factor: Positive = 3.0
    latency_ms: Positive = 5.0
    size_factor: Positive = 5.0
    size_mb: Positive = 50.0


class RolloutPolicy(Section):
    """How a promoted challenger comes to its clients: in the champion's shadow for `shadow_rows` answers, then as a
    canary of `canary` of the requests for `canary_rows` answers, each for `patience` at most, then wholly.

    0 rows leave a stage out. `watch_rows`: newest labelled answers after the promotion, on which, or on the newer half,
    quarter or eighth of which, no champion before may be better by more than noise: else it comes back by itself.
    """

    shadow_rows: NonNegativeInt = 0
    canary: Share = 0.1
    canary_rows: NonNegativeInt = 0
    patience: Duration = "24h"
    watch_rows: NonNegativeInt = 5000


class AlertPolicy(Section):
    """Where a change of state is told: a webhook, a command, e-mail; empty for not at all.

    The webhook is signed with the secret in the environment variable `secret_env`, unsigned where that name is empty.
    `command`: its words; the alert comes as JSON on its standard input. `smtp`: HOST:PORT of the mail server; its
    password stands in the environment variable `smtp_password_env`, and is given only after STARTTLS.
    """

    webhook: WebAddress = ""
    secret_env: str = "AUTOML_WEBHOOK_SECRET"
    command: tuple[str, ...] = ()
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    smtp: str = ""
    smtp_user: str = ""
    smtp_password_env: str = "AUTOML_SMTP_PASSWORD"


class Policy(Section):
    """All of it."""

    window: WindowPolicy = WindowPolicy()
    checks: CheckPolicy = CheckPolicy()
    retrain: RetrainPolicy = RetrainPolicy()
    gate: GatePolicy = GatePolicy()
    rollout: RolloutPolicy = RolloutPolicy()
    alerts: AlertPolicy = AlertPolicy()
