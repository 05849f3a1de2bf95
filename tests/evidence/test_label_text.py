"""Label text: vectors of labels from their words, and files that are looked at before any work."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reweigh.catalog.tables import Classes, plain_classes
from reweigh.errors import ReweighError
from reweigh.evidence.inputs import EvidenceInputs
from reweigh.evidence.label_text import (
    LabelText,
    absolute_label_text,
    check_label_text,
    label_sentences,
    load_label_text,
    make_label_text,
    save_label_text,
    state_of_label_text,
)
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import ArrayFeatures
from reweigh.probes.settings import ProbeSettings
from reweigh.runs.recipe import read_recipe
from reweigh.runs.resolve import resolve

CLASSES = plain_classes(["tabby cat", "dog", "zyzzyva"])
LINES = "4 2\ncat 3 4\ntabby 4 3\ndog 0 2\nred 1 0\n"


def made(settings: EvidenceSettings, classes: Classes | None = CLASSES) -> LabelText:
    inputs = EvidenceInputs(
        features=ArrayFeatures(np.zeros((3, 2), np.float32)), rows=np.arange(3), labels=np.arange(3), groups=np.arange(3), k=3,
        probe=ProbeSettings(), classes=classes,
    )  # fmt: skip
    return make_label_text(inputs, settings, 0)


def word_vectors(folder: Path, lines: str = LINES) -> EvidenceSettings:
    (folder / "words.vec").write_text(lines)
    return EvidenceSettings(label_text="word_vectors", label_text_from=str(folder / "words.vec"))


def test_labels_are_the_mean_of_their_words_and_an_unknown_one_is_said(tmp_path: Path) -> None:
    text = made(word_vectors(tmp_path))
    np.testing.assert_allclose(text.vectors, [[0.5**0.5, 0.5**0.5], [0, 1], [0, 0]], atol=1e-6)
    assert text.is_known.tolist() == [True, True, False]
    assert (text.made_from, text.unknown_words) == ("word_vectors", ("zyzzyva",))


def test_names_share_what_their_words_share_and_classes_are_strangers() -> None:
    names = made(EvidenceSettings(label_text="names"), plain_classes(["tabby cat", "cat", "dog"]))
    cosines = names.vectors @ names.vectors.T
    assert cosines[0, 1] > cosines[0, 2] and names.is_known.all()
    plain = made(EvidenceSettings())
    assert plain.vectors.shape == (3, 0) and plain.is_known.all()
    assert made(EvidenceSettings(label_text="names"), None).made_from == "classes"


def test_no_label_known_is_another_language(tmp_path: Path) -> None:
    with pytest.raises(
        ReweighError, match="knows no word of any of the 3 labels, such as 'tabby cat': another language"
    ):
        made(word_vectors(tmp_path, "1 2\nchat 1 0\n"))


def test_a_sentence_says_the_words_and_what_it_is() -> None:
    classes = replace(plain_classes(["cat", "dog"]), words=(("cat", "tabby"), ("dog",)), descriptions=("a feline", ""))
    assert label_sentences(classes) == ["cat, tabby: a feline", "dog"]


def test_what_is_saved_comes_back_and_a_missing_file_is_said(tmp_path: Path) -> None:
    text = made(word_vectors(tmp_path))
    save_label_text(text, tmp_path)
    back = load_label_text(tmp_path)
    assert back.unknown_words == text.unknown_words and np.array_equal(back.vectors, text.vectors)
    (tmp_path / "label_text.json").unlink()
    with pytest.raises(ReweighError, match=r"label_text\.json is missing"):
        load_label_text(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.vec", None, "no such file"),
        ("words.csv", b"cat 1 2", r"named \*\.vec, \*\.txt or \*\.bin"),
        ("words.vec", b"", "does not begin like word vectors"),
        ("words.vec", b"a page\n", "does not begin like word vectors"),
        ("words.bin", b"PK", "no fastText model"),
        ("words.bin", b"\0" * 64, "no fastText model"),
    ],
)
def test_a_file_that_is_no_word_vectors_is_found_at_a_glance(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ReweighError, match=said):
        check_label_text(EvidenceSettings(label_text="word_vectors", label_text_from=str(tmp_path / name)))


def test_the_check_takes_what_the_reader_takes(tmp_path: Path) -> None:
    check_label_text(word_vectors(tmp_path))
    check_label_text(word_vectors(tmp_path, "cat 1 2\n"))
    check_label_text(EvidenceSettings(label_text="names"))


def test_an_encoder_that_is_not_there_is_found_at_a_glance() -> None:
    pytest.importorskip("transformers", reason="needs transformers")
    with pytest.raises(ReweighError, match="No sentence encoder 'nobody/nothing'"):
        check_label_text(EvidenceSettings(label_text="sentences", label_text_from="nobody/nothing"))


def test_a_replaced_file_has_another_state(tmp_path: Path) -> None:
    settings = word_vectors(tmp_path)
    before = state_of_label_text(settings)
    assert before == state_of_label_text(settings) != []
    os.utime(settings.label_text_from, (1, 1))
    assert state_of_label_text(settings) == before  # touched or copied, it is the same file
    Path(settings.label_text_from).write_text(LINES.replace("0 2", "2 0"))
    assert state_of_label_text(settings) != before
    encoder = EvidenceSettings(label_text="sentences", label_text_from=str(tmp_path))
    assert state_of_label_text(encoder) == state_of_label_text(settings)
    assert state_of_label_text(EvidenceSettings()) == []
    Path(settings.label_text_from).unlink()
    with pytest.raises(ReweighError, match="there is no such file"):
        state_of_label_text(settings)


def test_a_place_is_kept_from_the_root_on_and_a_hubs_name_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word_vectors(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = absolute_label_text(EvidenceSettings(label_text="word_vectors", label_text_from="words.vec"))
    assert found.label_text_from == str(tmp_path / "words.vec")
    hub = EvidenceSettings(label_text="sentences", label_text_from="sentence-transformers/all-MiniLM-L6-v2")
    assert absolute_label_text(hub) == hub and absolute_label_text(EvidenceSettings()) == EvidenceSettings()


RECIPE = ["backbone.name=pixels", "threads=1", "evidence.label_text=word_vectors"]


def test_a_run_looks_at_the_file_before_any_work() -> None:
    asked = [*RECIPE, 'weights.use=["image_text"]', "evidence.label_text_from=nowhere.vec"]
    with pytest.raises(ReweighError, match=r"No word vectors at .*/nowhere\.vec"):
        resolve(read_recipe("balance", asked))


def test_label_text_that_no_weigher_reads_is_refused() -> None:
    with pytest.raises(ReweighError, match=r"read by the weigher image_text, which weights\.use does not name"):
        resolve(read_recipe("balance", [*RECIPE, "evidence.label_text_from=nowhere.vec"]))
