"""What is said about the quality of data: planted oddities are found, and plain rows raise no alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.data.reading import Table
from automl.data.roles import Roles
from automl.errors import OptionError, TargetError
from automl.inspection.findings import Finding, findings_lines
from automl.inspection.inspect import Inspection, InspectRequest, inspect_table

ROWS = 400


def plain_rows(rows: int = ROWS) -> pd.DataFrame:
    """Rows without anything odd, every cell text, as a CSV gives them."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(170, 10, rows).round(3).astype(str),
            "width": rng.normal(40, 5, rows).round(3).astype(str),
            "colour": rng.choice(["red", "green", "blue"], rows),
            "kind": rng.choice(["a", "b"], rows),
        }
    )


def inspected(frame: pd.DataFrame, target: str | None = "kind", base: Path = Path(), **asked: object) -> Inspection:
    request = InspectRequest(target=target, probe_seconds=0.0, **asked)  # type: ignore[arg-type]
    return inspect_table(Table(frame, base=base, name="rows"), request)


def found(inspection: Inspection, check: str) -> Finding:
    """The one finding of this name."""
    findings = [finding for finding in inspection.findings if finding.check == check]
    assert len(findings) == 1, [finding.check for finding in inspection.findings]
    return findings[0]


def test_plain_rows_raise_no_alarm() -> None:
    inspection = inspected(plain_rows())
    assert [finding for finding in inspection.findings if finding.severity != "note"] == []
    assert not [finding for finding in inspection.findings if finding.check.startswith("quality.")]
    assert inspection.rows == ROWS
    assert inspection.schema is not None
    assert [profile.name for profile in inspection.profiles] == ["kind", "height", "width", "colour"]


def test_missing_cells_are_counted_by_column() -> None:
    frame = plain_rows()
    frame.loc[:99, "colour"] = "NA"
    frame.loc[:9, "height"] = ""
    finding = found(inspected(frame), "quality.missing")
    assert finding.columns == ("colour", "height")
    assert finding.rows == 110
    assert "colour 25%" in finding.what


def test_rows_without_a_target_are_counted() -> None:
    frame = plain_rows()
    frame.loc[:39, "kind"] = ""
    inspection = inspected(frame)
    assert found(inspection, "target.missing").rows == 40
    assert inspection.profiles[0].rows == ROWS - 40


def test_copies_and_contradictions_are_counted() -> None:
    frame = plain_rows()
    frame = pd.concat([frame, frame.head(30)], ignore_index=True)
    inspection = inspected(frame)
    assert found(inspection, "quality.duplicates").rows == 30
    contrary = frame.head(40).assign(kind=["b" if kind == "a" else "a" for kind in frame["kind"].head(40)])
    finding = found(inspected(pd.concat([plain_rows(), contrary], ignore_index=True)), "quality.contradictions")
    assert finding.rows == 80
    assert finding.severity == "warning"
    assert "90.9%" in finding.what  # 400 of the 440 rows at best


def test_the_least_error_of_a_number_is_that_within_equal_features() -> None:
    frame = pd.DataFrame(
        {"x": ["1", "2"] * 100, "y": [str(position % 2 + position % 4 // 2) for position in range(200)]}
    )
    finding = found(inspected(frame, "y", task="regress"), "quality.contradictions")
    assert "0.5" in finding.what


def test_constant_and_nearly_constant_columns() -> None:
    frame = plain_rows().assign(same="x", almost=["1"] + ["0"] * (ROWS - 1))
    inspection = inspected(frame)
    assert found(inspection, "quality.ignored").columns == ("same",)
    assert found(inspection, "quality.nearly_constant").columns == ("almost",)


def test_values_far_outside_are_found_and_long_tails_are_not() -> None:
    frame = plain_rows()
    frame["income"] = np.random.default_rng(1).lognormal(10, 1, ROWS).round(2).astype(str)
    frame.loc[7, "height"] = "1712.5"
    finding = found(inspected(frame), "quality.outliers")
    assert finding.columns == ("height",)
    assert finding.rows == 1
    assert finding.examples == ("height 1,712.5",)


@pytest.mark.parametrize("code", ["-999", "9999", "0"])
def test_codes_for_missing_are_found(code: str) -> None:
    frame = plain_rows()
    frame.loc[:11, "height"] = code
    finding = found(inspected(frame), "quality.missing_code")
    assert finding.columns == ("height",)
    assert finding.rows == 12


def test_many_zeros_are_no_code() -> None:
    frame = plain_rows()
    frame.loc[: ROWS // 2, "height"] = "0"
    assert "quality.missing_code" not in {finding.check for finding in inspected(frame).findings}


def test_spellings_of_one_level() -> None:
    frame = plain_rows()
    frame.loc[:19, "colour"] = "Red"
    frame.loc[20:29, "colour"] = "red "
    inspection = inspected(frame)
    variants = found(inspection, "quality.level_variants")
    assert variants.columns == ("colour",)
    assert variants.severity == "warning"
    assert "'Red'" in variants.examples[0]
    assert found(inspection, "quality.blanks").rows == 10


def test_a_misspelt_level_is_named_with_what_it_resembles() -> None:
    states = np.random.default_rng(0).choice(["California", "Nebraska"], ROWS)
    frame = plain_rows().assign(state=states)
    frame.loc[3, "state"] = "Califronia"
    assert found(inspected(frame), "quality.misspelt").examples == ("'Califronia' for 'California'",)


def test_short_words_that_resemble_each_other_are_no_misspellings() -> None:
    shore = ["INLAND"] * (ROWS - 3) + ["ISLAND"] * 3
    assert "quality.misspelt" not in {finding.check for finding in inspected(plain_rows().assign(at=shore)).findings}


def test_cells_that_are_no_number_are_counted() -> None:
    frame = plain_rows()
    frame.loc[:4, "height"] = "tall"
    finding = found(inspected(frame), "quality.unread")
    assert finding.rows == 5
    assert finding.examples == ("tall",)
    assert finding.overrule == "--types height=category"


def test_lopsided_and_rare_classes() -> None:
    frame = plain_rows().assign(kind=["b"] * 3 + ["a"] * (ROWS - 3))
    inspection = inspected(frame)
    assert "--metric" in found(inspection, "target.imbalance").overrule
    rare = found(inspection, "target.rare_class")
    assert rare.severity == "warning"
    assert "b (3)" in rare.what


def test_classes_spelt_twice_are_a_problem() -> None:
    frame = plain_rows()
    frame.loc[frame.index[:60], "kind"] = "A"
    finding = found(inspected(frame), "target.variants")
    assert finding.severity == "problem"
    assert finding.examples == ("'A' / 'a'",)


def test_a_cap_and_a_long_tail_of_the_target() -> None:
    price = np.random.default_rng(0).lognormal(3, 1, ROWS)
    frame = plain_rows().assign(price=np.minimum(price, 60).round(4).astype(str))
    assert found(inspected(frame, "price"), "target.capped").rows == int((price >= 60).sum())
    tail = found(inspected(frame.assign(price=price.astype(str)), "price"), "target.skewed")
    assert "mae" in tail.overrule


def test_numbers_as_classes_are_doubted() -> None:
    frame = plain_rows(1000).assign(kind=[str(number % 60) for number in range(1000)])
    assert found(inspected(frame, task="classify"), "target.task").overrule == "--task regress"


def test_few_rows_and_many_columns() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 60)), columns=[f"c{number}" for number in range(60)]).assign(
        kind=["a", "b"] * 20
    )
    checks = {finding.check for finding in inspected(frame).findings}
    assert {"quality.wide", "quality.few_rows"} <= checks


def test_broken_and_repeated_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "30.png").write_bytes((tmp_path / "0.png").read_bytes())
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "31.png").write_bytes(whole[: len(whole) // 2])
    frame = pd.DataFrame({"photo": [f"{number}.png" for number in range(33)], "kind": ["a", "b", "a"] * 11})
    inspection = inspected(frame, base=tmp_path)
    broken = found(inspection, "quality.broken_image")
    assert broken.rows == 2
    assert any("31.png" in example for example in broken.examples)
    assert any("no such file" in example for example in broken.examples)
    assert found(inspection, "quality.image_copies").rows == 1


@pytest.mark.parametrize(
    ("kinds", "said"),
    [(["a"] * ROWS, "one class only"), ([""] * ROWS, "missing")],
)
def test_a_target_that_cannot_be_learned_is_a_finding(kinds: list[str], said: str) -> None:
    frame = plain_rows().assign(kind=kinds)
    frame.loc[:4, "height"] = "tall"
    inspection = inspected(frame)
    assert inspection.schema is None
    assert inspection.findings[0].check == "target.unusable"
    assert inspection.findings[0].severity == "problem"
    assert said in inspection.findings[0].what
    assert found(inspection, "quality.unread").rows == 5
    assert {profile.name for profile in inspection.profiles} == {"height", "width", "colour", "kind"}


def test_options_that_name_nothing_are_refused() -> None:
    with pytest.raises(TargetError, match="Did you mean 'kind'"):
        inspected(plain_rows(), "kindd")
    with pytest.raises(OptionError, match="Did you mean 'colour'"):
        inspected(plain_rows(), kinds={"color": "text"})
    with pytest.raises(OptionError, match="no column type"):
        inspected(plain_rows(), kinds={"colour": "colour"})
    with pytest.raises(OptionError, match="--exclude"):
        inspected(plain_rows(), roles=Roles(exclude=("nothing",)))


def test_roles_keep_columns_out() -> None:
    inspection = inspected(plain_rows(), roles=Roles(exclude=("width",), sensitive=("colour",)))
    assert {profile.name for profile in inspection.profiles if profile.kind == "ignored"} == {"width", "colour"}


def test_the_same_seed_says_the_same(churn_rows: pd.DataFrame) -> None:
    assert inspected(churn_rows, "Churn").record() == inspected(churn_rows, "Churn").record()


def test_lists_and_dicts_in_cells_are_looked_at_too() -> None:
    frame = plain_rows().assign(tags=[["a", "b"], {"c": 1}] * (ROWS // 2))
    assert "tags" in {profile.name for profile in inspected(frame).profiles}


def test_a_fit_shows_what_is_serious_and_counts_the_rest() -> None:
    note, warning, problem = (Finding(f"x.{name}", name, f"a {name}") for name in ("note", "warning", "problem"))
    lines = findings_lines([note, warning, problem, note], source="data.csv")
    assert lines == [
        ("problem", "a problem."),
        ("warning", "a warning."),
        ("note", "2 more findings about the data: automl inspect data.csv"),
    ]
    assert findings_lines([]) == []
