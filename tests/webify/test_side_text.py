"""What the text beside an image knows: nothing, its query, or what the image shows."""

from __future__ import annotations

import numpy as np

from reweigh.webify.draw import Drawn
from reweigh.webify.settings import WebifySettings
from reweigh.webify.side_text import ClassWords, SideText, draw_text, gloss_words

K, N = 6, 3000
WORDS = ClassWords(
    lemmas=tuple((f"lemma{c}", f"other lemma{c}") for c in range(K + 1)),
    gloss=tuple((f"gloss{c}",) for c in range(K + 1)),
)


def drawn() -> Drawn:
    """Rows of six classes, a third of which show class 6, the pool's."""
    label = (np.arange(N) % K).astype(np.int32)
    is_right = np.arange(N) % 3 > 0
    zeros = np.zeros(N, np.int8)
    truth = np.where(is_right, label, -1).astype(np.int32)
    return Drawn(
        image=np.arange(N),
        label=label,
        truth=truth,
        kind=zeros,
        source=zeros.astype(np.int32),
        copy=zeros,
        n_max=N,
        facts=(),
    )


def text(**settings: float) -> tuple[SideText, list[str]]:
    rows = drawn()
    shown = np.where(rows.truth >= 0, rows.truth, K)
    made = draw_text(rows, range(K), shown, WORDS, WebifySettings(**settings), seed=0)  # type: ignore[arg-type]
    columns = zip(made.title, made.description, made.tags, strict=True)
    return made, [" ".join([t or "", d or "", *(tags or ())]) for t, d, tags in columns]


def test_the_share_without_text_has_none_but_a_query() -> None:
    made, texts = text(notext=0.25)
    assert abs(np.mean([not t.strip() for t in texts]) - 0.25) < 0.04
    assert all(query in WORDS.lemmas[i % K] for i, query in enumerate(made.query))


def test_the_shown_class_is_named_as_often_as_asked_and_the_pools_own_too() -> None:
    _, texts = text(notext=0, text_signal=0.6, query_in=0)
    named = ["lemma6" in t or "gloss6" in t for t in texts]
    out = np.arange(N) % 3 == 0
    assert abs(np.mean(np.array(named)[out]) - 0.6) < 0.05 and not np.array(named)[~out].any()


def test_without_signal_and_query_a_text_is_filler_of_any_class() -> None:
    _, texts = text(notext=0, text_signal=0, query_in=0)
    assert not any("gloss" in t for t in texts)
    own = np.mean([f"lemma{i % K}" in t for i, t in enumerate(texts)])
    other = np.mean([f"lemma{(i + 1) % K}" in t for i, t in enumerate(texts)])
    assert abs(own - other) < 0.05


def test_every_text_holds_its_query_where_all_should() -> None:
    made, texts = text(notext=0, text_signal=0, query_in=1)
    assert all(query in t for query, t in zip(made.query, texts, strict=True))


def test_gloss_words_are_the_first_that_mean_something() -> None:
    assert gloss_words('a breed of cat; "the cat has blue eyes"') == ("breed", "cat", "blue", "eyes")
    assert gloss_words(None) == ()
