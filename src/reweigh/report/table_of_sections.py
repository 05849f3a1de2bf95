"""The page's sections in their order. A new figure is one file in sections/, one template, and one line here."""

from __future__ import annotations

from reweigh.report.sections.challenges import challenges
from reweigh.report.sections.classes import classes
from reweigh.report.sections.confusions import confusions
from reweigh.report.sections.facts import facts
from reweigh.report.sections.gallery import gallery
from reweigh.report.sections.image_text import image_text
from reweigh.report.sections.labels import labels
from reweigh.report.sections.results import results
from reweigh.report.sections.review import review
from reweigh.report.sections.saliency import saliency
from reweigh.report.sections.section import Section
from reweigh.report.sections.weights import weights

SECTIONS: dict[str, Section] = {
    "labels": Section("Labels", "labels.html", labels),
    "review": Section("Look at these first", "review.html", review),
    "results": Section("Results", "results.html", results),
    "challenges": Section("Five challenges", "challenges.html", challenges),
    "weights": Section("Weights", "weights.html", weights),
    "image_text": Section("Image and label text", "scored.html", image_text),
    "saliency": Section("Image saliency", "scored.html", saliency),
    "gallery": Section("Images by class", "gallery.html", gallery),
    "classes": Section("Classes", "classes.html", classes),
    "confusions": Section("Confusions", "confusions.html", confusions),
    "facts": Section("Data and run", "facts.html", facts),
}
