"""Why a version answered a row: the word for it in the prediction log."""

from __future__ import annotations

CHAMPION_ROLE = "champion"
CANARY = "canary"  # the challenger answered instead of the champion
SHADOW = "shadow"  # an answer that only the log has seen
RETURNED = (CHAMPION_ROLE, CANARY)  # the roles of answers that a client was given
