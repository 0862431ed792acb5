"""The rows whose labels a model doubts, as a table; with small pictures where there are any."""

from __future__ import annotations

import base64
import io
from html import escape

from automl.data.pictures import decode
from automl.errors import DataError
from automl.inspection.suspects import Suspect, Suspects

SIDE = 64  # pixels


def labels(suspects: Suspects) -> str:
    """HTML: how many of how many, and those that are named. No text is shown."""
    pictured = any(each.picture is not None for each in suspects.named)
    header = '<th class="n">row</th>' + ("<th></th><th>picture</th>" if pictured else "")
    header += '<th>label</th><th class="n">likely</th><th>the model says</th><th class="n">likely</th>'
    lines = [
        f'<tr><td class="n">{each.row:,}</td>{_pictured(each) if pictured else ""}'
        f'<td>{escape(each.label)}</td><td class="n">{each.label_probability:.1%}</td>'
        f'<td>{escape(each.answer)}</td><td class="n">{each.answer_probability:.1%}</td></tr>'
        for each in suspects.named
    ]
    more = suspects.count - len(suspects.named)
    rest = f'<p class="soft">and {more:,} more</p>' if more > 0 else ""
    said = (
        f"<p>{suspects.count:,} of {suspects.judged:,} rows that the model did not learn from have a label that it "
        "finds at least ten times less likely than another one. Some are hard, some are wrong: look at them.</p>"
    )
    return f'{said}<table class="narrow"><tr>{header}</tr>{"".join(lines)}</table>{rest}'


def _pictured(suspect: Suspect) -> str:
    picture = "" if suspect.picture is None else _embedded(suspect.picture)
    image = f'<img alt="" width="{SIDE}" height="{SIDE}" src="data:image/jpeg;base64,{picture}">' if picture else ""
    return f"<td>{image}</td><td>{escape(suspect.name)}</td>"


def _embedded(cell: str | bytes) -> str:
    """A small JPEG in base64; '' for a file that is gone."""
    from PIL import Image

    try:
        pixels = decode(cell, "", SIDE)
    except DataError:
        return ""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=80)
    return base64.b64encode(written.getvalue()).decode("ascii")
