"""Words and glosses of classes by their synset; synsets by name where asked for; a user's own CSV above both."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from reweigh.catalog.findings import Findings
from reweigh.catalog.tables import Classes, plain_classes, read_classes
from reweigh.errors import ReweighError
from reweigh.layouts import class_synsets
from reweigh.layouts.class_synsets import with_synsets, wnid_classes
from reweigh.layouts.table_of_layouts import index

HEADER = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"
GLOSSES = {"crane": 'a writer; "he read Crane"', "bird": "lays eggs", "lorry": "a large truck"}


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A WordNet of three nouns and no tables of timm's; the ids by their words."""
    folder = tmp_path / "wordnet"
    folder.mkdir()
    text, ids = HEADER, {}
    for word, gloss in GLOSSES.items():
        ids[word] = f"n{len(text):08d}"
        text += f"{len(text):08d} 05 n 02 {word} 0 big_{word} 0 000 | {gloss}  \n"
    (folder / "data.noun").write_text(text)
    crane = f"crane n 2 0 2 0 {ids['crane'][1:]} {ids['bird'][1:]}  \n"
    rest = [f"{word} n 1 0 1 0 {ids[word][1:]}  \n" for word in ("bird", "lorry")]
    (folder / "index.noun").write_text(HEADER + crane + "".join(rest))
    monkeypatch.setattr("reweigh.text.wordnet.FOLDER", folder)
    monkeypatch.setattr(class_synsets, "_in_timm", lambda wnids: {})
    return ids


def of_synsets(*pairs: tuple[str, str]) -> Classes:
    plain = plain_classes([name for name, _ in pairs])
    return Classes(
        names=plain.names, synsets=tuple(wnid for _, wnid in pairs), words=plain.words, descriptions=plain.descriptions
    )


def test_a_synset_brings_words_and_gloss_and_the_sources_own_stay(wordnet: dict[str, str]) -> None:
    classes = Classes(
        names=("my_bird", wordnet["lorry"], "crane"), synsets=(wordnet["bird"], wordnet["lorry"], wordnet["crane"]),
        words=(("my bird",), (wordnet["lorry"],), ("crane", "Stephen Crane")), descriptions=("mine", None, None),
    )  # fmt: skip
    findings = Findings()
    made = with_synsets(classes, {}, findings)
    assert made.words == (("my bird", "bird", "big bird"), ("lorry", "big lorry"), ("crane", "Stephen Crane"))
    assert made.descriptions == ("mine", "a large truck", "a writer"), "examples are no part of a gloss"
    assert findings.notes == ["words and glosses of classes by their synset: WordNet's files (3)"]


def test_without_wordnet_classes_stay_as_they_are_with_a_note(wordnet: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "wordnet" / "data.noun").unlink()
    findings, classes = Findings(), of_synsets(("bird", wordnet["bird"]))
    assert with_synsets(classes, {}, findings) == classes
    assert findings.notes[0].startswith("1 synsets have neither words nor gloss: No WordNet: looked for data.noun in")


def test_a_synset_that_nothing_knows_is_noted(wordnet: dict[str, str]) -> None:
    findings = Findings()
    with_synsets(of_synsets(("bird", wordnet["bird"]), ("x", "n99999999")), {}, findings)
    assert "1 synsets have neither words nor gloss: not in WordNet's files" in findings.notes


def test_timms_tables_come_first_and_timm_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm")
    monkeypatch.setattr("reweigh.layouts.class_synsets.read_wordnet", None)  # not asked
    findings = Findings()
    made = with_synsets(of_synsets(("n02123597", "n02123597")), {}, findings)
    assert made.words == (("Siamese cat", "Siamese"),) and "cat" in str(made.descriptions[0])
    assert findings.notes == ["words and glosses of classes by their synset: timm's tables (1)"]


def test_a_name_gets_its_first_noun_sense_only_where_asked_for(wordnet: dict[str, str]) -> None:
    classes = plain_classes(["cranes", "Bird", "zzz", "7"])
    assert with_synsets(classes, {}, Findings()) == classes
    findings = Findings()
    made = with_synsets(classes, {"wordnet": True}, findings)
    assert made.synsets == (wordnet["crane"], wordnet["bird"], None, None)
    assert made.words[0] == ("cranes", "crane", "big crane") and made.words[1] == ("Bird", "big bird")
    assert json.loads(made.extra[0] or "") == {"synset_by": "its name in WordNet", "noun_senses": 2}
    assert made.extra[2] is None
    chosen = f"cranes -> {wordnet['crane']}, Bird -> {wordnet['bird']}"
    assert f"2 classes got the first noun sense of their name: {chosen}" in findings.notes
    assert findings.warnings[0].startswith(
        "1 of the classes that got their synset by name have several noun senses: cranes (2)"
    )
    assert findings.warnings[1] == "2 classes have names that are no noun in WordNet: zzz, 7"


def test_wordnet_asked_for_but_not_there_is_an_error(wordnet: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "wordnet" / "data.noun").unlink()
    with pytest.raises(ReweighError, match=r"No WordNet: looked for data\.noun in"):
        with_synsets(plain_classes(["bird"]), {"wordnet": True}, Findings())


def test_a_csv_decides_above_wordnet(wordnet: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f'name,synset,words,description\ncrane,{wordnet["bird"]},"crane, heron",\nlorry,,,my lorry\n')
    made = with_synsets(plain_classes(["crane", "lorry", "bird"]), {"classes": path, "wordnet": True}, Findings())
    assert made.synsets == (wordnet["bird"], None, wordnet["bird"]), "an empty synset means none, and is not looked up"
    assert made.words == (("crane", "heron"), ("lorry",), ("bird", "big bird"))
    assert made.descriptions == ("lays eggs", "my lorry", "lays eggs")


def test_a_csv_without_synsets_leaves_them_to_wordnet(wordnet: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("name,description\nlorry,mine\n")
    made = with_synsets(plain_classes(["lorry"]), {"classes": path, "wordnet": True}, Findings())
    assert made.synsets == (wordnet["lorry"],) and made.descriptions == ("mine",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,synset\nlorri,n00000001\n",
            "class 'lorri' is not one of the source's; there are 3 classes. Did you mean 'lorry'",
        ),
        ("name,synset\ncrane,n00000001\n", "class 'crane' is not one of the source's; 2 classes have that name"),
        ("name,synset\nlorry,12\n", "synset '12' of 'lorry' is not n and eight digits"),
        ("name,words\nlorry,a\nlorry,b\n", "has two rows for the class 'lorry'"),
        ("synset\nn00000001\n", "has no column name"),
        ("name\n", "lists no class"),
        ("name,synset\nlorry\n", "class 1 of the list has not one value"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ReweighError, match=re.escape(message)):
        with_synsets(plain_classes(["crane", "crane", "lorry"]), {"classes": tmp_path / "mine.csv"}, Findings())


def test_a_csv_that_is_not_there_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReweighError, match=r"No .* in .*nothing is there, or it is a folder"):
        with_synsets(plain_classes(["x"]), {"classes": tmp_path}, Findings())
    (tmp_path / "mine.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(ReweighError, match=r"mine.csv.gz is no whole .gz: Not a gzipped file"):
        with_synsets(plain_classes(["x"]), {"classes": tmp_path / "mine.csv.gz"}, Findings())


def test_names_of_two_synsets_are_told_apart() -> None:
    made = wnid_classes(["n1", "n2", "n3"], {"n1": (("crane",), "lifts"), "n2": (("crane", "bird"), None)})
    assert made.names == ("crane (n1)", "crane (n2)", "n3")
    assert made.words == (("crane",), ("crane", "bird"), ("n3",)) and made.descriptions == ("lifts", None, None)


def test_the_options_are_those_of_every_layout(wordnet: dict[str, str], tmp_path: Path) -> None:
    for name in ("bird", "lorry"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4), len(name)).save(tmp_path / "photos" / name / "1.png")
    catalog = index(tmp_path / "photos", tmp_path / "c", options={"wordnet": "true"})
    assert read_classes(catalog).synsets == (wordnet["bird"], wordnet["lorry"])
    assert any(note.startswith("2 classes got the first noun sense") for note in catalog.counts["notes"])
    with pytest.raises(ReweighError, match="No value of the option wordnet named 'yes'; there are: true, false"):
        index(tmp_path / "photos", tmp_path / "d", options={"wordnet": "yes"})
