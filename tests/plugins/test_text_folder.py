"""The reader of text folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from automl.errors import SourceError
from automl.hooks import read_source

TEXTS = {
    "spam/1.txt": b"Win money",
    "spam/2.txt": "é €".encode("cp1252"),
    "ham/1.txt": "Grüße\n".encode("utf-16"),
}


def fill(folder: Path, texts: dict[str, bytes]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


def test_a_folder_of_classes_becomes_a_table(tmp_path: Path) -> None:
    table = read_source(fill(tmp_path / "mails", TEXTS))
    assert table.frame.to_dict("list") == {"text": ["Grüße\n", "Win money", "é €"], "label": ["ham", "spam", "spam"]}
    assert (table.name, table.target, table.kinds, table.notes) == ("mails", "label", {"text": "text"}, ())


def test_an_archive_is_read_alike(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mails.zip", "w") as packed:
        for name, text in TEXTS.items():
            packed.writestr(f"mails/{name}", text)
    assert read_source(tmp_path / "mails.zip").frame.equals(read_source(fill(tmp_path / "mails", TEXTS)).frame)


def test_of_train_and_test_the_first_is_read(tmp_path: Path) -> None:
    for part in ("train", "test"):
        fill(tmp_path / part, TEXTS)
    table = read_source(tmp_path)
    assert len(table.frame) == 3
    assert table.notes[0] == "the texts in train/ were read; those in test/ were left alone"
    assert table.notes[1].startswith("3 of the 3 files in test/ are copies of files that were read (test/")
    assert len(table.notes) == 2


def test_what_is_no_text_is_counted(tmp_path: Path) -> None:
    table = read_source(fill(tmp_path, {**TEXTS, "ham/b.txt": bytes(9), "ham/c.doc": b"x", "loose.txt": b"l"}))
    assert len(table.frame) == 4
    assert table.notes == (
        "1 files are no texts and were left out",
        "1 files do not end in .txt and were left out",
        "1 texts lie outside the class sub-folders and have no label",
    )
    with pytest.raises(SourceError, match=r"None of the 1 files in .* is a text"):
        read_source(fill(tmp_path / "bad", {"ham/b.txt": bytes(9)}))


def test_a_flat_folder_has_no_label(tmp_path: Path) -> None:
    table = read_source(fill(tmp_path, {"b.txt": b"2", "a.txt": b"1"}))
    assert table.frame.to_dict("list") == {"text": ["1", "2"]}
    assert table.target is None


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="folder without images or texts"):
        read_source(fill(tmp_path, {"a.csv": b"a\n1\n", "README.txt": b"about"}))
