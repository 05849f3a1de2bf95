"""Settings of what is gathered about each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reweigh.errors import ReweighError
from reweigh.probes.log_probabilities import TOP_M


@dataclass(frozen=True, kw_only=True)
class EvidenceSettings:
    """How held-out predictions and neighbours are made."""

    cross_fit: Literal["none", "folds", "early"] = "none"
    """Held-out predictions by a network trained on the images, as `finetune` says, in the place of a probe: `folds`: one for each
    fold, on the other folds; `early`: one on all images for few epochs, before it learns wrong labels by heart."""
    cross_fit_epochs: int = 0
    """Epochs of these networks; 0: as many as finetune.epochs, for `early` a fifth of them."""
    n_folds: int = 5
    """Folds of the held-out predictions, 2 to 127; AUC of wrong labels .909 / .918 / .923 / .925 at 2 / 3 / 5 / 10."""
    kept_classes: int = TOP_M
    """Classes kept for each row where all log-probabilities would take 2 GiB or more, 1 or more."""
    n_neighbours: int = 20
    """Nearest images by cosine that vote on a label, 1 or more; 20 was measured best."""
    confused_classes: int = 4
    """Classes that a class's images are most often taken for, clustered together with them, 0 or more; URNet's four."""
    clusters_per_class: int = 5
    """Clusters of each such union, 1 or more; URNet's five."""
    truth: Literal["auto", "clear"] = "auto"
    """How clear-cut the classes are taken to be: `auto` chooses; `clear`: no image is ambiguous, so doubt means a wrong label."""
    verified: int = 0
    """Checked labels that may serve as evidence, drawn by hash, 0 or more; they are left out where quality is measured."""

    label_text: Literal["classes", "names", "word_vectors", "sentences"] = "classes"
    """What labels are known by to `image_text`: each a word of its own, parts of its name's words, word vectors, or a sentence encoder."""
    label_text_from: str = ""
    """File of word vectors (fastText's .vec or .bin), or folder or cached name of the encoder."""

    def __post_init__(self) -> None:
        if not 2 <= self.n_folds <= 127:
            raise ReweighError(f"evidence.n_folds must lie in 2..127, found {self.n_folds}.")
        if self.cross_fit_epochs < 0:
            raise ReweighError(f"evidence.cross_fit_epochs must be 0 (chosen) or more, found {self.cross_fit_epochs}.")
        if self.kept_classes < 1:
            raise ReweighError(f"evidence.kept_classes must be 1 or more, found {self.kept_classes}.")
        if self.verified < 0:
            raise ReweighError(f"evidence.verified must be 0 or more, found {self.verified}.")
        if (self.label_text in ("word_vectors", "sentences")) != bool(self.label_text_from):
            raise ReweighError(
                f"evidence.label_text={self.label_text!r} with evidence.label_text_from={self.label_text_from!r}: "
                "word_vectors and sentences need the file, folder or name that they come from, the others none."
            )
        if self.confused_classes < 0 or self.clusters_per_class < 1:
            raise ReweighError(
                "evidence.confused_classes must be 0 or more and evidence.clusters_per_class 1 or more, found "
                f"{self.confused_classes} and {self.clusters_per_class}."
            )
        if self.n_neighbours < 1:
            raise ReweighError(f"evidence.n_neighbours must be 1 or more, found {self.n_neighbours}.")
