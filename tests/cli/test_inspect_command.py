"""`automl inspect`: short on the screen, long as HTML, complete as JSON."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from .conftest import Automl, check_refused


def test_the_screen_shows_columns_and_findings(automl: Automl, churn_csv: Path) -> None:
    outcome = automl("inspect", churn_csv, "--target", "Churn", "--no-probes")
    assert outcome.code == 0
    first, *lines = outcome.out.splitlines()
    assert first == "telco_churn · 7,043 rows · 21 columns · classify Churn, 2 classes"
    columns = {line.split()[0]: line for line in lines[2:23]}
    assert "11" in columns["TotalCharges"].split()
    assert "ignored" in columns["customerID"]
    assert "target" in columns["Churn"]
    notes = [line for line in lines if line.startswith("note ")]
    assert any("task: classify" in line.lower() and "--target COLUMN" in line for line in notes)
    assert any("customerID" in line and "--types" in line for line in notes)
    assert len(lines) < 50


def test_the_target_is_guessed_and_said(automl: Automl, churn_csv: Path) -> None:
    outcome = automl("inspect", churn_csv, "--no-probes")
    assert outcome.code == 0
    assert "classify Churn" in outcome.out
    assert "[--target COLUMN]" in outcome.out


def test_json_is_one_document_with_everything(automl: Automl, churn_csv: Path) -> None:
    record = json.loads(automl("inspect", churn_csv, "--target", "Churn", "--no-probes", "--json").out)
    assert set(record) == {
        "source", "rows", "target", "task", "classes", "split", "columns", "private", "findings"
    }  # fmt: skip
    assert (record["rows"], record["target"], record["task"]) == (7043, "Churn", "classify")
    assert record["classes"] == ["No", "Yes"]
    assert record["split"] == "stratified"
    charges = next(column for column in record["columns"] if column["name"] == "TotalCharges")
    assert charges["missing"] == 11
    assert sum(charges["counts"]) == 7032
    assert all(finding["check"] and finding["what"] for finding in record["findings"])


def test_the_page_stands_alone(automl: Automl, tmp_path: Path) -> None:
    """Pictures of every column, well-formed, nothing fetched, no script, and nothing of a cell taken as markup."""
    frame = pd.DataFrame(
        {
            "<script>alert(1)</script>": ["<img src=x onerror=alert(1)>", "b & c"] * 60,
            "number": [str(row * 1.5) for row in range(120)],
            "day": [f"2024-0{1 + row % 9}-11" for row in range(120)],
            "holes": ["", "1", "2"] * 40,
            "y": ["a", "b", "b"] * 40,
        }
    )
    frame.to_csv(tmp_path / "odd.csv", index=False)
    page = tmp_path / "odd.html"
    outcome = automl("inspect", tmp_path / "odd.csv", "--no-probes", "--html", page)
    assert outcome.code == 0
    assert f"wrote {page}" in outcome.out
    html = page.read_text()
    assert "<script" not in html
    assert "<img" not in html
    assert not re.search(r"<[^>]*\s(?:src|href)=", html)
    assert html.count("<svg") >= 2
    assert "prefers-color-scheme: dark" in html
    assert "2024-01-11" in html
    check_balanced(html)


def check_balanced(html: str) -> None:
    """Every element that is opened is closed, in order."""

    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(html)
    assert checker.open == []


def test_a_schema_is_written_edited_and_given_back(automl: Automl, churn_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    assert automl("inspect", churn_csv, "--target", "Churn", "--no-probes", "--write-schema", path).code == 0
    text = path.read_text()
    assert 'tenure = "number"' in text
    path.write_text(text.replace('tenure = "number"', 'tenure = "category"').replace("# exclude =", "exclude ="))
    check_refused(automl("inspect", churn_csv, "--schema", path), "'COLUMN'", "--exclude")
    path.write_text(path.read_text().replace('"COLUMN"]  # never', '"gender"]  # never'))
    record = json.loads(automl("inspect", churn_csv, "--schema", path, "--no-probes", "--json").out)
    kinds = {column["name"]: column["kind"] for column in record["columns"]}
    assert record["target"] == "Churn"
    assert kinds["tenure"] == "category"
    assert kinds["gender"] == "ignored"


@pytest.mark.parametrize(
    ("cells", "said"),
    [(["x"] * 30, "one class"), ([""] * 30, "missing"), ([str(row) + "z" for row in range(30)], "30 classes")],
)
def test_data_that_cannot_be_learned_can_be_inspected(
    automl: Automl, tmp_path: Path, cells: list[str], said: str
) -> None:
    frame = pd.DataFrame({"a": [str(row % 7) for row in range(30)], "b": ["u", "v", "w"] * 10, "y": cells})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    outcome = automl(
        "inspect", tmp_path / "rows.csv", "--target", "y", "--task", "classify", "--html", tmp_path / "p.html"
    )
    assert outcome.code == 0
    assert "rows · 30 rows · 3 columns" in outcome.out
    problem = next(line for line in outcome.out.splitlines() if line.startswith("problem"))
    assert said in problem
    assert "<h2>Columns</h2>" in (tmp_path / "p.html").read_text()


def test_wrong_options_are_refused(automl: Automl, churn_csv: Path, tmp_path: Path) -> None:
    check_refused(automl("inspect", tmp_path / "none.csv"), "none.csv")
    check_refused(automl("inspect", churn_csv, "--target", "churn"), "Did you mean 'Churn'")
    check_refused(automl("inspect", churn_csv, "--task", "guess"), "classify")
    check_refused(automl("inspect", churn_csv, "--types", "tenure"), "COLUMN=KIND")
    check_refused(automl("inspect", churn_csv, "--types", "tenure=categry"), "category")
    check_refused(automl("inspect", churn_csv, "--split", "grp"), "group")
    check_refused(automl("inspect", churn_csv, "--exclude", "Gender"), "Did you mean 'gender'")
    check_refused(automl("inspect", churn_csv, "--schema", tmp_path / "none.toml"), "none.toml")
    check_refused(automl("inspect", churn_csv, "--html", tmp_path / "none" / "page.html"), "does not exist")
    check_refused(automl("inspect", churn_csv, "--write-schema", tmp_path), "is a folder")


def test_many_columns_do_not_flood_the_screen(automl: Automl, tmp_path: Path) -> None:
    rows = {f"c{number}": [f"{(row * number) % 11}.5" for row in range(60)] for number in range(1, 301)}
    pd.DataFrame({**rows, "y": ["a", "b"] * 30}).to_csv(tmp_path / "wide.csv", index=False)
    outcome = automl("inspect", tmp_path / "wide.csv", "--no-probes")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) < 80
    assert "more columns: --html FILE shows all" in outcome.out


def test_square_brackets_in_names_are_no_markup(automl: Automl, tmp_path: Path) -> None:
    frame = pd.DataFrame({"[bold]x[/]": [str(row * 1.5) for row in range(60)], "y": ["[red]a", "b[/]"] * 30})
    frame.to_csv(tmp_path / "marks.csv", index=False)
    outcome = automl("inspect", tmp_path / "marks.csv", "--no-probes")
    assert outcome.code == 0
    assert "[bold]x[/]" in outcome.out
    assert "[red]a" in outcome.out
