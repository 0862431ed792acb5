"""Personal data is flagged with a count and shown nowhere; what only looks like it is left in peace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.data.reading import Table
from automl.data.schema_file import SchemaFile, write_schema_file
from automl.inspection.inspect import Inspection, InspectRequest, inspect_table
from automl.inspection.personal import find_personal, hide, mask
from automl.report.inspection_page import write_page

ROWS = 300
FIRST = ("Ann", "Bertha", "Carlos", "Dmitri", "Emma", "Fatima", "Greta", "Hugo", "Ivan", "Jane")
LAST = ("Okafor", "Lindqvist", "Moreau", "Petrov", "Tanaka", "Walsh", "Zielinski", "Castillo", "Haddad", "Novak")


def inspected(**columns: object) -> Inspection:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=ROWS), **columns, "kind": ["a", "b"] * (ROWS // 2)})
    return inspect_table(Table(frame, name="people"), InspectRequest(target="kind", probe_seconds=0.0))


def checks(inspection: Inspection) -> dict[str, str]:
    """The severity of each privacy finding."""
    return {
        finding.check: finding.severity for finding in inspection.findings if finding.check.startswith("privacy.")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe@example.org please", "email"),
        ("call +49 30 1234567 now", "phone"),
        ("call (555) 123-4567", "phone"),
        ("ring 020 7946 0958 today", "phone"),
        ("text 07911123456 to win", "phone"),
        ("paid with 4111 1111 1111 1111", "card"),
        ("amex 378282246310005", "card"),
        ("to DE89 3704 0044 0532 0130 00", "iban"),
        ("ssn 536-22-8726", "ssn"),
        ("from 84.132.7.201 at noon", "ip"),
        ("Braund, Mr. Owen Harris", "person"),
        ("Mrs. Jane B. Tanaka", "person"),
        ("seen by Dr. Weiss", "person"),
        ("lives at 221 Baker Street", "address"),
        ("wohnt Hauptstraße 12", "address"),
    ],
)
def test_what_is_personal_is_seen_and_hidden(text: str, kind: str) -> None:
    assert kind in find_personal(text)
    assert hide(text) != text
    assert kind not in find_personal(hide(text))


@pytest.mark.parametrize(
    "text",
    [
        "640Nm@ 1740rpm",
        "22.4 kgm at 1750-2750rpm",
        "2020-01-15 13:45:12",
        "1234567890",
        "0.1234567890123456",
        "4111 1111 1111 1112",
        "version 1.2.10.3",
        "10.0.0.1",
        "DE00 0000 0000 0000 0000 00",
        "000-12-3456",
        "10/49",
        "I miss You",
        "(0.5) 100-2000",
        "A/5. 2151",
        "",
    ],
)
def test_what_only_looks_personal_is_left_in_peace(text: str) -> None:
    assert find_personal(text) == set()
    assert hide(text) == text


@given(st.text(max_size=200))
def test_a_mask_shows_one_digit_and_first_letters_at_most(text: str) -> None:
    masked = mask(text)
    assert sum(character.isdigit() and character.isascii() for character in masked) <= 1
    assert "…" in masked or not any(len(word) > 1 and word.isascii() and word.isalpha() for word in text.split())


def test_huge_cells_cost_nothing() -> None:
    assert find_personal("a" * 1_000_000) == set()
    assert find_personal("1 " * 500_000) == set()
    assert find_personal("a.b-" * 250_000 + "@") == set()


def test_columns_of_persons_are_warned_about_and_named() -> None:
    rng = np.random.default_rng(1)
    names = [f"{first} {last}" for first, last in zip(rng.choice(FIRST, ROWS), rng.choice(LAST, ROWS), strict=True)]
    inspection = inspected(
        customerName=names,
        mail=[f"{name.replace(' ', '.').lower()}{row}@mail.example" for row, name in enumerate(names)],
        mobile_number=[str(4915100000000 + 7919 * row) for row in range(ROWS)],
        dateOfBirth=[f"19{50 + row % 50}-0{1 + row % 9}-1{row % 9}" for row in range(ROWS)],
    )
    assert checks(inspection) == dict.fromkeys(
        ("privacy.person", "privacy.email", "privacy.phone", "privacy.birth"), "warning"
    )
    assert inspection.examination.private == {"customerName", "mail", "mobile_number", "dateOfBirth"}


def test_one_address_in_many_texts_is_a_note() -> None:
    words = np.random.default_rng(2).choice(["the", "bird", "hit", "wing", "at", "night", "no", "damage"], (ROWS, 12))
    texts = [" ".join(row) + f" {number}" for number, row in enumerate(words)]
    texts[17] += " reported by tower@airport.example"
    inspection = inspected(remarks=texts)
    assert checks(inspection) == {"privacy.email": "note"}


def test_cars_and_companies_are_no_persons() -> None:
    rng = np.random.default_rng(3)
    cars = [
        f"{make} {model}"
        for make, model in zip(rng.choice(LAST, ROWS), rng.choice(["Swift", "City"], ROWS), strict=True)
    ]
    assert checks(inspected(name=cars)) == {}


def test_long_numbers_are_no_cards_by_chance() -> None:
    numbers = [str(4_000_000_000_000_000 + 1_000_003 * row) for row in range(ROWS)]
    assert checks(inspected(serial=[f"n{number[1:]} {number}" for number in numbers])) == {}


def test_a_target_of_names_is_refused_without_naming_anybody() -> None:
    frame = pd.DataFrame(
        {"x": range(60), "who": [f"Walsh, Mr. Hugo {chr(65 + row % 26) * 2}{row}" for row in range(60)]}
    )
    inspection = inspect_table(Table(frame), InspectRequest("who", "classify"))
    assert inspection.findings[0].check == "target.unusable"
    assert "Walsh" not in inspection.findings[0].what


def test_nothing_personal_is_written_anywhere(tmp_path: Path) -> None:
    """Not as an example, not as a level, not as a constant, not in a comment, on no channel."""
    people = [f"{first} {last}" for first in FIRST for last in LAST[:3]]
    secrets = [*people, "secret@mail.example", "+49 151 2345678", "4111 1111 1111 1111"]
    inspection = inspected(
        patient_name=[people[row % 30] for row in range(ROWS)],
        contact=[("secret@mail.example", "+49 151 2345678")[row % 2] for row in range(ROWS)],
        payer=["4111 1111 1111 1111"] * ROWS,
    )
    assert {"patient_name", "contact", "payer"} <= inspection.examination.private
    write_page(tmp_path / "page.html", inspection)
    write_schema_file(tmp_path / "schema.toml", inspection.columns, SchemaFile(), inspection.examination.private)
    written = json.dumps(inspection.record(), ensure_ascii=False) + "".join(f.line for f in inspection.findings)
    written += (tmp_path / "page.html").read_text() + (tmp_path / "schema.toml").read_text()
    assert not [secret for secret in secrets if secret in written]


def test_classes_are_named_without_naming_anybody() -> None:
    sizes = np.random.default_rng(0).normal(size=ROWS)
    frame = pd.DataFrame({"size": sizes, "agent": ["ann@mail.example", "hugo@mail.example"] * (ROWS // 2)})
    inspection = inspect_table(Table(frame, name="deals"), InspectRequest(target="agent", probe_seconds=0.0))
    assert inspection.record()["classes"] == ["a…@m….e…", "h…@m….e…"]
