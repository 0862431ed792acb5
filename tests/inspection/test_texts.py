"""What is said of texts: nearly the same, hardly a letter, several languages, a wrong encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.languages import language_of
from automl.data.reading import Table
from automl.data.splits import make_split
from automl.inspection.findings import Finding
from automl.inspection.inspect import Inspection, InspectRequest, inspect_table

WORDS = [
    "room",
    "station",
    "breakfast",
    "friends",
    "sunday",
    "morning",
    "window",
    "garden",
    "river",
    "bridge",
    "paper",
    "music",
    "table",
    "coffee",
    "winter",
    "street",
    "letter",
    "doctor",
    "orange",
    "market",
    "forest",
    "island",
    "mirror",
    "engine",
    "ticket",
    "planet",
    "silver",
    "button",
    "carpet",
    "hammer",
]


def texts(rows: int = 300) -> list[str]:
    rng = np.random.default_rng(0)
    return [f"the {' '.join(rng.choice(WORDS, 14))} was in it" for _ in range(rows)]


def inspected(cells: list[str], **columns: object) -> Inspection:
    kinds = [("good", "bad")[row % 2] for row in range(len(cells))]
    frame = pd.DataFrame({"text": cells, "kind": kinds, **columns})
    table = Table(frame, base=Path(), name="rows", kinds={"text": "text"})
    return inspect_table(table, InspectRequest(target="kind", probe_seconds=0.0))


def found(inspection: Inspection, check: str) -> Finding:
    findings = [finding for finding in inspection.findings if finding.check == check]
    assert len(findings) == 1, [finding.check for finding in inspection.findings]
    return findings[0]


def test_sound_texts_raise_no_alarm() -> None:
    inspection = inspected(texts())
    assert not [finding for finding in inspection.findings if finding.check.startswith("quality.")]


def test_near_copies_are_found_and_validated_together() -> None:
    cells = texts()
    twins = {
        4: cells[4].upper() + "!!",
        9: cells[9].replace(" was in it", " was in that"),
        17: f"  {cells[17]} 17 ",
        30: cells[30],
    }
    cells[17] += " 99"
    inspection = inspected([*cells, *twins.values()])
    near = found(inspection, "quality.near_duplicates")
    assert near.rows == 3  # the fourth is a whole copy
    assert "together" in near.action
    assert inspection.decision is not None
    assert inspection.schema is not None
    target = np.arange(len(cells) + 4) % 2
    for seed in range(5):
        split = make_split(target, inspection.schema, seed, inspection.decision.structure)
        for row, first in enumerate(twins, start=len(cells)):
            assert split.assignment[row] == split.assignment[first]


def test_a_short_text_is_a_copy_only_where_the_other_cells_are() -> None:
    cells = [*texts(), "Very good", "very good!", "very good"]
    inspection = inspected(cells, size=[*(f"{row * 7 % 311}.5" for row in range(300)), "1.5", "2.5", "1.5"])
    assert inspection.decision is not None
    copies = inspection.decision.structure.copies
    assert copies is not None
    assert copies[300:].tolist() == [300, 301, 300]


def test_near_empty_and_garbled_texts_are_counted() -> None:
    inspection = inspected([*texts(), ":)", "!!", "a!", "the cafÃ© was closed", "\u6f22\u5b57"])
    assert found(inspection, "quality.short_text").rows == 3
    assert found(inspection, "quality.text_garbled").rows == 1


def test_a_mix_of_languages_is_reported() -> None:
    german = [
        "das ist ein sehr schöner Tag und wir sind nicht allein",
        "ich habe es nicht gesehen, aber er war da",
    ] * 20
    mixed = inspected([*texts(), *german])
    assert "de 11.8%" in found(mixed, "quality.text_languages").what
    assert not [each for each in inspected(texts()).findings if each.check == "quality.text_languages"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I do not know what this is for, but it was here when we came"),
        ("de", "Das Zimmer war sehr schön und wir sind gerne wieder da"),
        ("fr", "Je ne sais pas ce que vous voulez dans cette maison"),
        ("es", "El hotel es muy bueno, pero la comida no está bien"),
        ("it", "Non so che cosa è questo, ma il libro è molto bello"),
        ("pt", "Eu não sei o que você quer, mas isso é muito bom"),
        ("nl", "Het is niet wat ik wil, maar we zijn er nog wel"),
        ("ru", "Я не знаю, что это было, но мы все еще здесь"),
        ("ja", "これは本です"),
        ("zh", "我不知道这是什么"),
        ("ko", "나는 그것을 모른다"),
        ("ar", "لا أعرف ما هذا"),
        ("", "asdf qwerty 123"),
        ("", ""),
    ],
)
def test_the_language_of_a_text(language: str, text: str) -> None:
    assert language_of(text) == language
