"""`automl keys` as a user runs it: the key alone on the standard output, words beside it, one line for a mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from automl.store import Store

from .conftest import Automl, check_refused

TEXT = re.compile(r"automl_[0-9a-f]{12}_[0-9a-f]{64}\n")


def test_create_rotate_list_export_revoke(automl: Automl, tmp_path: Path) -> None:
    where = ("--store", tmp_path)
    assert "automl keys create" in automl("keys", "list", *where).out
    words = ("--scope", "predict", "--scope", "feedback", "--rate", "600/m", "--expires", "90d")
    created = automl("keys", "create", "site", *words, *where)
    assert TEXT.fullmatch(created.out), "nothing else, so that a script can take it"
    assert "shown this once" in created.err
    rotated = automl("keys", "rotate", "site", "--overlap", "0", *where)
    assert TEXT.fullmatch(rotated.out)
    assert "not valid any more" in rotated.err
    listed = automl("keys", "list", *where).out
    assert [line.split()[-1] for line in listed.splitlines()[1:]] == ["expired", "valid"]
    (exported,) = json.loads(automl("keys", "export", *where).out)
    assert (exported["name"], exported["scopes"], exported["rate"]) == ("site", ["predict", "feedback"], "600/m")
    assert [key["state"] for key in json.loads(automl("keys", "list", "--json", *where).out)] == ["expired", "valid"]
    for text in (created.out, rotated.out):
        assert text.split("_")[2].strip() not in listed + str(exported)
    assert automl("keys", "revoke", "site", *where).code == 0
    store = Store(tmp_path)
    assert store.keys.valid() == []
    store.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "a b", "--scope", "predict"], "is no name for a key"),
        (["create", "site", "--scope", "predct"], "Did you mean 'predict'"),
        (["create", "site", "--scope", "predict", "--rate", "many"], "is no rate"),
        (["create", "site", "--scope", "predict", "--expires", "soon"], "is no duration"),
        (["rotate", "site"], "no valid key 'site'"),
        (["revoke", "site"], "no valid key 'site'"),
    ],
)
def test_a_mistake_is_one_line(automl: Automl, tmp_path: Path, words: list[str], said: str) -> None:
    check_refused(automl("keys", *words, "--store", tmp_path), said)
