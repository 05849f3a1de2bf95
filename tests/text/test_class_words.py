"""Own text against the label's words: by hand, in blocks, with query words, stop words and nothing to say."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from reweigh.errors import ReweighError
from reweigh.text.class_words import class_documents, keyword_idf, own_text_similarity, similarity_of_blocks
from reweigh.text.words import words

WORDS = (("cat", "tabby cat"), ("dog",), ("sea slug",))
DESCRIPTIONS = ("a small animal", "an animal that barks", None)


def test_a_document_holds_the_words_twice_and_the_description_once() -> None:
    keywords, documents, names_one_class = class_documents(WORDS, DESCRIPTIONS)
    cat = documents[0].toarray()[0]
    assert cat[keywords["cat"]] == 4  # in two names
    assert cat[keywords["tabby"]] == 2
    assert cat[keywords["animal"]] == 1
    assert names_one_class[keywords["dog"]] and not names_one_class[keywords["animal"]]


def test_the_cosine_by_hand() -> None:
    # Two classes "ant", "bee"; texts "ant bee", "bee", "fly fly" (no keyword). df: ant 1, bee 2 of 3 texts.
    # idf ant = ln(4 / 2) + 1 = 1.6931, bee = ln(4 / 3) + 1 = 1.2877 (names one class, so no stop word at 2/3).
    # Row 0, label ant: document (2 * 1.6931, 0), text (1.6931, 1.2877): 1.6931 / sqrt(1.6931^2 + 1.2877^2) = .7960.
    # Row 1, label bee: 1. Row 2: no opinion.
    found = own_text_similarity(["ant bee", "Bee!", "fly fly"], np.array([0, 1, 0]), [["ant"], ["bee"]], [None, None])
    np.testing.assert_allclose(found, [0.7960, 1, np.nan], atol=1e-4)
    assert found.dtype == np.float32


def test_a_query_word_counts_half_by_hand() -> None:
    # As above, row 0 was searched by "ant": its text is (.8466, 1.2877); .8466 / sqrt(.8466^2 + 1.2877^2) = .5493.
    texts, labels = ["ant bee", "bee", "fly"], np.array([0, 1, 0])
    found = own_text_similarity(texts, labels, [["ant"], ["bee"]], [None, None], queries=["the ant", None, None])
    np.testing.assert_allclose(found, [0.5493, 1, np.nan], atol=1e-4)


def test_the_cosines_are_those_of_scikit_learn() -> None:
    texts, labels, class_words = made_texts(seed=0)
    descriptions = [None] * len(class_words)
    found = own_text_similarity(texts, labels, class_words, descriptions)
    keywords, documents, _ = class_documents(class_words, descriptions)
    reference = TfidfVectorizer(analyzer=words, vocabulary=keywords)
    images = reference.fit_transform(texts)
    weighed = documents.toarray() * reference.idf_
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    expected = np.asarray(images.multiply(weighed[labels]).sum(axis=1)).ravel()
    is_known = images.getnnz(axis=1) > 0
    assert (np.isnan(found) == ~is_known).all()
    np.testing.assert_allclose(found[is_known], expected[is_known], atol=1e-6)


def test_a_word_in_over_a_fifth_of_the_texts_is_no_keyword_unless_it_names_one_class() -> None:
    texts = ["photo"] * 3 + ["cat"] * 3 + ["dog"] * 4
    found = own_text_similarity(texts, np.zeros(10, int), [["cat photo"], ["dog"]], [None, "photo"])
    assert not np.isnan(found).any()  # "photo" names the class "cat photo" alone
    found = own_text_similarity(texts, np.zeros(10, int), [["cat"], ["dog"]], ["photo", "photo"])
    np.testing.assert_array_equal(found, [np.nan] * 3 + [found[3]] * 3 + [0.0] * 4)


def test_a_fifth_of_the_texts_is_not_yet_a_stop_word() -> None:
    idf = keyword_idf(np.array([20, 21, 21]), 100, np.array([False, False, True]))
    assert idf[0] > idf[2] > idf[1] == 0


def test_no_text_no_label_and_no_known_word_are_no_opinion() -> None:
    blocks = [(["", None, "  ", "zebra", "dog"], None), (["dog"], [None])]
    found = similarity_of_blocks(blocks, np.array([0, 0, 0, 0, -1, 1]), WORDS, DESCRIPTIONS)
    np.testing.assert_array_equal(np.isnan(found.similarity), [True, True, True, True, True, False])
    np.testing.assert_array_equal(found.has_text, [False, False, False, True, True, True])


def test_blocks_give_what_the_whole_gives() -> None:
    texts, labels, class_words = made_texts(seed=1)
    queries = [class_words[label][0] for label in labels]
    descriptions = [f"what {names[0]} is" for names in class_words]
    whole = own_text_similarity(texts, labels, class_words, descriptions, queries=queries)
    blocks = [(texts[s : s + 7], queries[s : s + 7]) for s in range(0, len(texts), 7)]
    np.testing.assert_array_equal(similarity_of_blocks(blocks, labels, class_words, descriptions).similarity, whole)


def test_a_word_repeated_beyond_a_byte_is_still_that_word() -> None:
    found = own_text_similarity(["cat " * 256 + "dog", "dog"], np.array([0, 1]), [["cat"], ["dog"]], [None, None])
    assert found[0] > 0.99


def test_classes_without_any_word_have_no_opinion() -> None:
    assert np.isnan(own_text_similarity(["a cat"], np.array([0]), [["007"]], [None])).all()
    assert own_text_similarity([], np.zeros(0, int), [["cat"]], [None]).shape == (0,)


def test_lengths_that_do_not_fit_are_named() -> None:
    with pytest.raises(ReweighError, match="found 1, 2"):
        own_text_similarity(["a"], np.array([0, 1]), [["cat"]], [None])
    with pytest.raises(ReweighError, match="texts of 1 rows"):
        similarity_of_blocks([(["a"], None)], np.array([0, 1]), [["cat"]], [None])
    with pytest.raises(ReweighError, match="1 classes have 2 descriptions"):
        own_text_similarity(["a"], np.array([0]), [["cat"]], [None, None])


def test_texts_that_speak_of_the_true_class_find_wrong_labels() -> None:
    texts, labels, class_words = made_texts(seed=2)
    true = np.arange(len(labels)) % len(class_words)
    found = own_text_similarity(texts, labels, class_words, [None] * len(class_words))
    is_known = ~np.isnan(found)
    assert roc_auc_score((true == labels)[is_known], found[is_known]) > 0.75


def made_texts(*, seed: int, n: int = 400, k: int = 12) -> tuple[list[str], np.ndarray, list[list[str]]]:
    """Texts that name the true class (row number modulo k) with probability .6 among words of any class; 30 % wrong."""
    generator = np.random.default_rng(seed)
    class_words = [[f"thing{chr(97 + c)}", f"stuff{chr(97 + c)} matter{chr(97 + c)}"] for c in range(k)]
    true = np.arange(n) % k
    labels = np.where(generator.random(n) < 0.3, generator.integers(k, size=n), true)
    texts = []
    for c in true:
        some = [class_words[generator.integers(k)][0] for _ in range(generator.integers(2))]
        texts.append(" ".join(["photo", *some, *(class_words[c] if generator.random() < 0.6 else [])]))
    return texts, labels, class_words
