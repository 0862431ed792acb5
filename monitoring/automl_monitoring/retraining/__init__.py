"""Retraining: old rows and newly labelled ones make a challenger; the newest labelled rows judge it.

    plan            which rows train, which judge, which are left out and why
    ask_staleness   would the champion's recipe be better, taught on the new rows too?
    train           the champion's recipe on old and new rows, then a search that starts from its journal
    judge           the gate, kept as a decision
    complete        the winner's recipe on the rows that judged it, too
    conclude        promote or keep

Each may be called again after a death, with the same plan, and does nothing twice.
"""

from __future__ import annotations

from automl_monitoring.retraining.completing import complete
from automl_monitoring.retraining.concluding import Retraining, announce_promotion, conclude, retrain
from automl_monitoring.retraining.judging import judge
from automl_monitoring.retraining.plan import LeftOut, Plan
from automl_monitoring.retraining.planning import plan
from automl_monitoring.retraining.staleness import Staleness, ask_staleness
from automl_monitoring.retraining.training import train

__all__ = [
    "LeftOut",
    "Plan",
    "Retraining",
    "Staleness",
    "announce_promotion",
    "ask_staleness",
    "complete",
    "conclude",
    "judge",
    "plan",
    "retrain",
    "train",
]
