"""Logged requests sent to the challenger once more: it must answer all that the champion answered."""

from __future__ import annotations

import numpy as np

from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Part
from automl_monitoring.policy import GatePolicy

ALONE = 5  # of them are also asked one by one


def requests(contest: Contest, policy: GatePolicy) -> Part:
    """The challenger answers the newest logged rows: without an error, one finite answer each, alone as in company."""
    sent = list(contest.requests)
    if not sent:
        return Part("requests", True, "there are no logged requests to send again")
    model, figures = contest.challenger, {"rows": float(len(sent))}
    try:
        answers = model.answer(sent)
        outputs = [answers.prediction if answers.probabilities is None else answers.probabilities.tolist()][0]
        alone = [model.answer([row]).prediction[0] for row in sent[:ALONE]]
    except Exception as error:  # whatever a learner dies of, a client would meet it
        what = f"the challenger cannot answer a logged request ({type(error).__name__})"
        return Part("requests", False, what, figures)
    if len(outputs) != len(sent) or not np.isfinite(np.asarray(outputs, dtype=np.float64)).all():
        what = f"the challenger's answers to {len(sent):,} logged requests are not all there, or not finite"
        return Part("requests", False, what, figures)
    if alone != answers.prediction[: len(alone)]:
        return Part("requests", False, "the challenger answers a row otherwise when it comes alone", figures)
    return Part("requests", True, f"it answers the newest {len(sent):,} logged requests", figures)
