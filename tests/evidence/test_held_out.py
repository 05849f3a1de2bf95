"""Held-out predictions: never by a probe that saw the group, stored whole, resumed after a kill."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from reweigh.errors import ReweighError
from reweigh.evidence import held_out as module
from reweigh.evidence.held_out import load_held_out, make_held_out, save_held_out
from reweigh.evidence.settings import EvidenceSettings
from reweigh.features.matrix import ArrayFeatures
from reweigh.metrics.accuracy import label_positions
from reweigh.probes.linear import fit_probe, predict
from reweigh.probes.settings import ProbeSettings

FIXED = ProbeSettings(l2=0.03)


def web_like(n=240, d=10, k=3, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(k, size=n)
    features = generator.normal(size=(k, d))[labels] + generator.normal(size=(n, d))
    return features.astype(np.float32), labels


def make(features, labels, groups=None, *, k=3, probe=FIXED, n_folds=5, **settings):
    groups = np.arange(len(labels)) if groups is None else groups
    return make_held_out(
        ArrayFeatures(features), np.arange(len(labels)), labels, groups, k=k,
        settings=EvidenceSettings(n_folds=n_folds), probe=probe, seed=0, **settings,
    )  # fmt: skip


ARRAYS = (
    "rows",
    "labels",
    "label_log_probability",
    "label_position",
    "best_other",
    "best_other_log_probability",
    "fold",
)


def assert_same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(
        one.log_probabilities.read(0, len(one.rows)), other.log_probabilities.read(0, len(one.rows))
    )
    assert (one.l2, one.strength, one.held_out_loss, one.k) == (other.l2, other.strength, other.held_out_loss, other.k)


def test_each_row_is_predicted_by_the_probe_of_the_other_folds():
    features, labels = web_like()
    made = make(features, labels)
    for fold in range(5):
        out = np.flatnonzero(made.fold == fold)
        probe = fit_probe(
            ArrayFeatures(features), np.flatnonzero(made.fold != fold), labels[made.fold != fold], k=3, l2=0.03
        )
        block = np.concatenate(list(predict(probe, ArrayFeatures(features), out)))
        np.testing.assert_allclose(made.label_log_probability[out], block[np.arange(len(out)), labels[out]], atol=1e-5)
        np.testing.assert_array_equal(made.label_position[out], label_positions(block, labels[out]))
        np.testing.assert_allclose(made.log_probabilities.read(0, 240)[out], block, rtol=2e-3, atol=2e-3)


def test_the_margin_tells_whether_the_label_is_the_argmax():
    features, labels = web_like()
    made = make(features, labels)
    margin = made.label_log_probability - made.best_other_log_probability
    np.testing.assert_array_equal(margin > 0, made.label_position == 0)
    assert (made.best_other != labels).all() and made.held_out_loss == pytest.approx(-made.label_log_probability.mean())


def test_copies_of_a_row_share_a_fold_and_get_the_same_prediction():
    features, labels = web_like(n=60)
    made = make(np.repeat(features, 3, axis=0), np.repeat(labels, 3), np.repeat(np.arange(60), 3))
    assert (made.fold.reshape(60, 3) == made.fold[::3, None]).all()
    assert np.ptp(made.label_log_probability.reshape(60, 3), axis=1).max() < 1e-5


def test_rows_without_a_label_get_a_prediction_and_no_verdict():
    features, labels = web_like()
    labels[:7] = -1
    made = make(features, labels)
    assert (
        np.isnan(made.label_log_probability[:7]).all()
        and (made.label_position[:7] == -1).all()
        and (made.fold[:7] == -1).all()
    )
    probe = fit_probe(ArrayFeatures(features), np.arange(7, 240), labels[7:], k=3, l2=0.03)
    block = np.concatenate(list(predict(probe, ArrayFeatures(features), np.arange(7))))
    np.testing.assert_array_equal(made.best_other[:7], block.argmax(axis=1))
    np.testing.assert_allclose(made.log_probabilities.read(0, 7), block, rtol=2e-3, atol=2e-3)


def test_the_order_of_rows_changes_nothing():
    features, labels = web_like()
    order = np.random.default_rng(1).permutation(240)
    made, moved = make(features, labels), make(features[order], labels[order], np.arange(240)[order])
    np.testing.assert_array_equal(moved.fold, made.fold[order])
    np.testing.assert_allclose(moved.label_log_probability, made.label_log_probability[order], atol=1e-4)


def test_the_strength_is_chosen_where_none_is_set_and_recorded():
    features, labels = web_like()
    made = make(features, labels, probe=ProbeSettings(l2_grid=(0.3, 0.03)))
    assert made.strength.grid == (0.3, 0.03) and made.l2 == made.strength.l2
    assert make(features, labels).strength is None


def test_only_the_largest_are_kept_where_all_would_not_fit(monkeypatch):
    features, labels = web_like(k=6)
    dense = make(features, labels, k=6)
    monkeypatch.setattr(module, "should_be_dense", lambda n, k: False)
    kept = make_held_out(
        ArrayFeatures(features), np.arange(240), labels, np.arange(240), k=6,
        settings=EvidenceSettings(kept_classes=3), probe=FIXED, seed=0,
    )  # fmt: skip
    assert kept.log_probabilities.indices.shape == (240, 3)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(kept, name), getattr(dense, name))
    np.testing.assert_array_equal(
        kept.log_probabilities.read(0, 240).argmax(axis=1), dense.log_probabilities.read(0, 240).argmax(axis=1)
    )


@pytest.mark.parametrize("few", [1, 2])
def test_a_class_with_fewer_images_than_folds_works(few):
    features, labels = web_like()
    labels[labels == 2] = 0
    labels[:few] = 2
    made = make(features, labels)
    assert np.isfinite(made.label_log_probability).all()
    if few == 1:
        assert made.label_position[0] == 2  # its probe has never seen the class


def test_one_class_only_and_classes_without_images_work():
    features, _ = web_like()
    made = make(features, np.full(240, 1))
    assert (made.label_position == 0).all() and made.label_log_probability.min() > -1e-5
    alone = make(features, np.zeros(240, int), k=1)
    assert (alone.best_other == -1).all() and (alone.label_log_probability == 0).all()


def test_two_images_work_with_two_folds():
    features, _ = web_like(n=2)
    made = make(features, np.array([0, 1]), k=2, n_folds=2, probe=ProbeSettings())
    assert (made.label_position == 1).all() and made.strength.n_rows == 0


def test_bad_inputs_are_named():
    features, labels = web_like()
    with pytest.raises(ReweighError, match="5 folds need as many groups of labelled images, found 3"):
        make(features[:3], labels[:3])
    with pytest.raises(ReweighError, match=r"found 0 \(0 images\)"):
        make(features, np.full(240, -1))
    with pytest.raises(ReweighError, match=r"Labels must lie in -1\.\.2; image photo-4 has 3"):
        make(features, np.where(np.arange(240) == 4, 3, labels), uids=lambda rows: [f"photo-{row}" for row in rows])
    features[9] = np.nan
    with pytest.raises(ReweighError, match="those of image photo-9 are not"):
        make(features, labels, uids=lambda rows: [f"photo-{row}" for row in rows])


def test_saved_and_loaded_are_the_same(tmp_path):
    features, labels = web_like()
    made = make(features, labels, probe=ProbeSettings(l2_grid=(0.3, 0.03)))
    save_held_out(made, tmp_path)
    assert_same(load_held_out(tmp_path), made)


def test_a_folder_without_predictions_is_one_clear_line(tmp_path):
    with pytest.raises(ReweighError, match="No held-out predictions in"):
        load_held_out(tmp_path)


def test_finished_folds_are_not_made_again(tmp_path, monkeypatch):
    features, labels = web_like()
    first = make(features, labels, workspace=tmp_path, probe=ProbeSettings(l2_grid=(0.3, 0.03)))
    assert_same(first, make(features, labels, probe=ProbeSettings(l2_grid=(0.3, 0.03))))
    monkeypatch.setattr(module, "fit_probe", None)
    monkeypatch.setattr(module, "choose_l2", None)
    assert_same(make(features, labels, workspace=tmp_path, probe=ProbeSettings(l2_grid=(0.3, 0.03))), first)


SCRIPT = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import numpy as np
    from reweigh.evidence import held_out as module
    from reweigh.evidence.settings import EvidenceSettings
    from reweigh.features.matrix import ArrayFeatures
    from reweigh.probes.settings import ProbeSettings

    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=600)
    features = (generator.normal(size=(4, 30))[labels] + generator.normal(size=(600, 30))).astype(np.float32)

    def progress(stage, done, total=None, note=""):
        print(stage, done, flush=True)
        time.sleep(float(sys.argv[2]))

    made = module.make_held_out(
        ArrayFeatures(features), np.arange(600), labels, np.arange(600), k=4, settings=EvidenceSettings(),
        probe=ProbeSettings(), seed=0, workspace=Path(sys.argv[1]) / "workspace", progress=progress,
    )
    target = Path(sys.argv[1]) / "result"
    target.mkdir()
    module.save_held_out(made, target)
    """
)


def start(folder, pause):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", SCRIPT, str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_killed_and_run_again_ends_in_the_same_bytes(tmp_path):
    whole = start(tmp_path / "whole", 0)
    killed_at = ["strength 2", "held-out 1", "held-out 4"]
    for place in killed_at:
        process = start(tmp_path / "killed", 0.05)
        for line in process.stdout:
            if line.strip() == place:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"was not killed at {place!r}"
    last = start(tmp_path / "killed", 0)
    assert "strength" not in last.communicate()[0]  # the choice was kept
    assert whole.communicate() and whole.returncode == last.returncode == 0
    files = sorted(path.name for path in (tmp_path / "whole" / "result").iterdir())
    assert "held_out.json" in files
    for name in files:
        one, other = ((tmp_path / which / "result" / name).read_bytes() for which in ("whole", "killed"))
        assert one == other, name
