"""Training curves as pictures: per trial the losses and the metric, epoch by epoch, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from automl.model.trainings import Training
from automl.task import Epoch

WIDTH, HEIGHT, MARGIN = 320, 110, 6  # pixels before scaling
CURVES_STYLE = """
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem }
.curves svg { width: 100%; height: auto; display: block } .curves h3 { margin: .4rem 0 0 } .curves p { margin: .1rem 0 }
.curves polyline { fill: none; stroke-width: 2; stroke-linecap: round; vector-effect: non-scaling-stroke }
.curves line { stroke: #8886 }
.own { stroke: #3b6fb6; color: #3b6fb6 } .other { stroke: #d39b22; color: #a87a13 } .dash { stroke-dasharray: 5 3 }
.ends { display: flex; justify-content: space-between; font-size: .8rem }
"""

Value = Callable[[Epoch], float]


def curves(trainings: Sequence[Training], metric: str) -> str:
    """HTML: a card for each trial."""
    return '<div class="curves">' + "".join(_card(training, metric) for training in trainings) + "</div>"


def _card(training: Training, metric: str) -> str:
    losses = _picture(
        f"losses of trial {training.trial}",
        training.folds,
        (("own", lambda epoch: epoch.train_loss), ("other dash", lambda epoch: epoch.valid_loss)),
    )
    scores = _picture(f"{metric} of trial {training.trial}", training.folds, (("other", lambda epoch: epoch.score),))
    return (
        f"<div><h3>{escape(training.architecture)} <span class='soft'>trial {training.trial}</span></h3>"
        f"<p><b>{escape(training.kind)}</b> {escape(training.why)}</p>"
        "<p class='soft'>loss: <span class='own'>own rows</span>, <span class='other'>other rows (dashed)</span></p>"
        f"{losses}<p class='soft'>{escape(metric)} on other rows</p>{scores}</div>"
    )


def _picture(label: str, folds: Sequence[Sequence[Epoch]], lines: Sequence[tuple[str, Value]]) -> str:
    """Every fold's line of each kind on one scale. Huge values of the first epochs are cut off."""
    known = sorted(value(each) for fold in folds for each in fold for _, value in lines if math.isfinite(value(each)))
    if not known:
        return "<p class='soft'>not measured</p>"
    low, high = known[0], known[-1]
    middle = known[len(known) // 2]
    high = min(high, middle + 6 * (middle - low)) if middle > low else high
    epochs = max(each.number for fold in folds for each in fold)

    def place(each: Epoch, of: Value) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (each.number - 1) / max(epochs - 1, 1)
        share = (min(of(each), high) - low) / (high - low) if high > low else 0.5
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share:.1f}"

    drawn = []
    for style, value in lines:
        for fold in folds:
            points = [place(each, value) for each in fold if math.isfinite(value(each))]
            points = points * 2 if len(points) == 1 else points
            drawn.append(f'<polyline class="{style}" points="{" ".join(points)}"/>')
    base = f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/>'
    ends = f"<span>epoch 1</span><span>{low:.4g} to {high:.4g}</span><span>{epochs}</span>"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{base}{"".join(drawn)}</svg>'
        f'<div class="ends soft">{ends}</div>'
    )
