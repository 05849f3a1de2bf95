"""Names, sizes and weights of backbones are settled without waiting for a network; forward passes are timm's."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

from reweigh.errors import ReweighError
from reweigh.features import precision
from reweigh.features.backbones import DEFAULTS, load_backbone, resolve_backbone, resolve_precision, resolve_speed
from reweigh.features.devices import resolve_device
from reweigh.features.networks import create_network
from reweigh.features.settings import BackboneSettings, FeatureSettings
from reweigh.images.decoding import Decoded
from reweigh.images.views import view_pixels
from reweigh.timm_import import timm


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, and nobody who answers."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return cache


def put_into_cache(cache: Path, repository: str, folder: Path, names: list[str]) -> None:
    stored = cache / f"models--{repository.replace('/', '--')}"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc")
    (stored / "snapshots" / "abc").mkdir(parents=True)
    for name in names:
        shutil.copy(folder / name, stored / "snapshots" / "abc" / name)


@pytest.mark.parametrize("name", ["resnet50", "hf-hub:timm/resnet50.a1_in1k", "auto"])
def test_without_weights_and_network_one_line_says_at_once_what_to_do(no_network: Path, name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(
        ReweighError, match=r"not on this machine and .* cannot be reached.*local-dir:FOLDER.*with network"
    ) as e:
        resolve_backbone(BackboneSettings(name=name), device="cpu")
    assert "\n" not in str(e.value)
    assert time.perf_counter() - start < 10


def test_offline_mode_asks_nobody(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    with pytest.raises(ReweighError, match=r"'resnet50.a1_in1k' are not on this machine and HF_HUB_OFFLINE is set"):
        resolve_backbone(BackboneSettings(name="resnet50"), device="cpu")


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, no_network: Path) -> None:
    from reweigh.features import weights

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setattr(weights, "PATIENCE", 0.3)
        start = time.perf_counter()
        with pytest.raises(ReweighError, match=r"did not answer|timed out"):
            resolve_backbone(BackboneSettings(name="hf-hub:a/b"), device="cpu")
        assert time.perf_counter() - start < 5


def test_cached_weights_are_loaded_without_the_network(no_network: Path, lite0: Path) -> None:
    put_into_cache(no_network, "timm/tf_efficientnet_lite0.in1k", lite0, ["config.json", "model.safetensors"])
    settings = resolve_backbone(BackboneSettings(), device="cpu")
    assert (settings.name, settings.input_size) == ("tf_efficientnet_lite0.in1k", 224)
    by_name = load_backbone(settings, device="cpu", precision="float32")
    hub = resolve_backbone(BackboneSettings(name="hf-hub:timm/tf_efficientnet_lite0.in1k"), device="cpu")
    by_hub = load_backbone(hub, device="cpu", precision="float32")
    local = resolve_backbone(BackboneSettings(name=f"local-dir:{lite0}"), device="cpu")
    assert by_name.identity == by_hub.identity == load_backbone(local, device="cpu", precision="float32").identity


def test_a_hub_model_without_its_weights_is_not_cached(no_network: Path, lite0: Path) -> None:
    put_into_cache(no_network, "me/mine", lite0, ["config.json"])
    with pytest.raises(ReweighError, match="'hf-hub:me/mine' are not on this machine"):
        resolve_backbone(BackboneSettings(name="hf-hub:me/mine"), device="cpu")


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "auto"])
def test_random_weights_are_drawn_from_the_seed_and_nobody_is_asked(
    no_network: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    settings = resolve_backbone(BackboneSettings(name=name, input_size=64), device="cpu", is_pretrained=False)
    before = torch.random.get_rng_state()
    one, other, again = (create_network(settings, is_pretrained=False, seed=seed)[0] for seed in (1, 2, 1))
    assert (torch.random.get_rng_state() == before).all()
    states = [torch.cat([t.flatten().float() for t in n.state_dict().values()]) for n in (one, other, again)]
    assert (states[0] == states[2]).all()
    assert not (states[0] == states[1]).all()


def test_a_name_without_weights_keeps_its_form_and_gets_its_size() -> None:
    for name in ("resnet50", "resnet50.a1_in1k", "dpn92"):
        settings = resolve_backbone(BackboneSettings(name=name), device="cpu", is_pretrained=False)
        assert (settings.name, settings.input_size) == (name, 224)


def test_of_a_folder_without_weights_the_architecture_is_taken(tmp_path: Path, lite0: Path) -> None:
    shutil.copy(lite0 / "config.json", tmp_path / "config.json")
    settings = resolve_backbone(BackboneSettings(name=f"local-dir:{tmp_path}"), device="cpu", is_pretrained=False)
    network, view = create_network(settings, is_pretrained=False)
    trained, same = create_network(BackboneSettings(name=f"local-dir:{lite0}", input_size=224))
    assert view == same
    assert {k: v.shape for k, v in network.state_dict().items()} == {
        k: v.shape for k, v in trained.state_dict().items()
    }
    assert not torch.equal(network.conv_stem.weight, trained.conv_stem.weight)  # type: ignore[arg-type]


def test_pixels_are_no_network() -> None:
    settings = resolve_backbone(BackboneSettings(name="pixels"), device="cpu", is_pretrained=False)
    with pytest.raises(ReweighError, match="'pixels' is the image itself, no network"):
        create_network(settings, is_pretrained=False)


def test_unknown_names_get_the_nearest_ones() -> None:
    for name, words in {
        "resnet51": "No backbone named 'resnet51' in timm .* Did you mean 'resnet5",
        "resnet50.a9_in1k": "timm's resnet50 has no weights tagged 'a9_in1k'; there are: a1_in1k, .* Did you mean",
        "pixel": "Did you mean 'pixels'",
        "models/mine": "A path is written local-dir:FOLDER, a model of the hub hf-hub:OWNER/MODEL",
    }.items():
        with pytest.raises(ReweighError, match=words):
            resolve_backbone(BackboneSettings(name=name), device="cpu")


def test_an_architecture_without_weights_says_so() -> None:
    with pytest.raises(
        ReweighError, match=r"No pretrained weights for backbone 'resnet18d_pruned'|has no weights|No backbone named"
    ):
        resolve_backbone(BackboneSettings(name="test_nothing"), device="cpu")


def test_a_folder_that_is_no_model_says_what_is_missing(tmp_path: Path) -> None:
    def words() -> str:
        with pytest.raises(ReweighError) as caught:
            resolve_backbone(BackboneSettings(name=f"local-dir:{tmp_path / 'm'}"), device="cpu")
        return str(caught.value)

    assert "nothing is there" in words()
    (tmp_path / "m").mkdir()
    assert "it holds no config.json" in words()
    (tmp_path / "m" / "config.json").write_text("{")
    assert "not valid JSON" in words()
    (tmp_path / "m" / "config.json").write_text("{}")
    assert "model.safetensors is missing" in words()


def test_the_defaults_are_names_that_timm_knows() -> None:
    for default in DEFAULTS.values():
        assert timm().get_pretrained_cfg(default.name).hf_hub_id, default.name


def test_a_relative_folder_becomes_absolute(lite0: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lite0.parent)
    settings = resolve_backbone(BackboneSettings(name=f"local-dir:{lite0.name}"), device="cpu")
    assert (settings.name, settings.input_size) == (f"local-dir:{lite0}", 224)


def test_forward_equals_timms_transform_and_model(lite0: Path) -> None:
    backbone = load_backbone(BackboneSettings(name=f"local-dir:{lite0}"), device="cpu", precision="float32")
    library = timm()
    model = library.create_model(f"local-dir:{lite0}", pretrained=True, num_classes=0).eval()
    transform = library.data.create_transform(**library.data.resolve_model_data_config(model), is_training=False)
    # Its short side is what timm resizes to, so that both see the very same pixels; views have tests of their own.
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 320, 3), dtype=np.uint8))
    with torch.inference_mode():
        theirs = model(transform(image)[None])
    shown = view_pixels(backbone.view, Decoded(np.array(image), 256, 320, (0.0, 0.0, 256.0, 320.0)))
    ours = backbone.forward(torch.from_numpy(shown).permute(2, 0, 1)[None])
    assert backbone.d == 1280
    difference = (ours - theirs).abs().max() / theirs.abs().max()
    assert difference < 1e-4, f"relative difference {difference:.1e}"


def test_bfloat16_points_the_same_way(lite0: Path) -> None:
    settings = BackboneSettings(name=f"local-dir:{lite0}", input_size=96)
    images = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    exact, rough = (load_backbone(settings, device="cpu", precision=p).forward(images) for p in ("float32", "bfloat16"))
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, rough).min() > 0.99


def test_identity_follows_weights_and_arguments_but_not_precision(lite0: Path) -> None:
    def identity(precision: str = "float32", **changes: object) -> str:
        given = {"name": f"local-dir:{lite0}", "input_size": 64} | changes
        settings = BackboneSettings(**given)  # type: ignore[arg-type]
        return load_backbone(settings, device="cpu", precision=precision).identity

    assert identity() == identity("bfloat16")
    assert len({identity(), identity(input_size=96), identity(arguments={"global_pool": "max"})}) == 3


def test_arguments_that_timm_refuses_name_the_backbone(lite0: Path) -> None:
    settings = BackboneSettings(name=f"local-dir:{lite0}", arguments={"no_such_thing": 1})
    with pytest.raises(ReweighError, match=r"timm cannot load backbone 'local-dir:.*no_such_thing"):
        load_backbone(settings, device="cpu", precision="float32")


def test_a_given_precision_is_never_measured(lite0: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_measure", lambda *_, **__: pytest.fail("measured"))
    settings = BackboneSettings(name=f"local-dir:{lite0}")
    assert resolve_precision(settings, device="cpu", precision="bfloat16") == "bfloat16"
    resolved, chosen = resolve_speed(settings, device="cpu", precision="float32")
    assert (resolved.memory_format, chosen) == ("channels_last", "float32")
    assert resolve_precision(BackboneSettings(name="pixels"), device="cpu", precision="auto") == "float32"


def test_only_a_decisive_gain_changes_precision_and_order() -> None:
    plain, last = ("contiguous", "float32"), ("channels_last", "float32")
    half, both = ("contiguous", "bfloat16"), ("channels_last", "bfloat16")
    assert precision.fastest({plain: 1.0, last: 0.9, half: 0.9, both: 0.9}) == plain
    assert precision.fastest({plain: 1.0, last: 0.5, half: 0.9, both: 0.45}) == last
    assert precision.fastest({plain: 1.0, last: 0.5, half: 0.9, both: 0.25}) == both
    assert precision.fastest({plain: 1.0, last: 1.0, half: 0.5, both: 0.5}) == half
    assert precision.fastest({plain: 1.0, last: 0.5}) == last
    assert precision.fastest({last: 1.0, both: 0.5}) == both


def test_the_measurement_leaves_settings_that_can_be_loaded(lite0: Path) -> None:
    settings, chosen = resolve_speed(
        BackboneSettings(name=f"local-dir:{lite0}", input_size=32), device="cpu", precision="auto"
    )
    assert settings.memory_format in ("contiguous", "channels_last") and chosen in ("float32", "bfloat16")


def test_devices_that_are_not_there_are_refused() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ReweighError, match="No device named 'gpu'; there are: auto, cpu, cuda, cuda:N"):
        resolve_device("gpu")
    with pytest.raises(ReweighError, match="Device cuda:99 is not there"):
        resolve_device("cuda:99")


def test_settings_out_of_range_name_their_path() -> None:
    for make, words in (
        (lambda: BackboneSettings(name=""), "backbone.name is empty"),
        (lambda: BackboneSettings(input_size=-1), "backbone.input_size must be 0"),
        (lambda: BackboneSettings(arguments={"img_size": 1}), "backbone.arguments.img_size .* set backbone.input_size"),
        (lambda: FeatureSettings(batch_size=0), "features.batch_size must be 1 or more, found 0"),
        (lambda: FeatureSettings(block_rows=0), "features.block_rows"),
        (lambda: FeatureSettings(workers=-1), "features.workers"),
    ):
        with pytest.raises(ReweighError, match=words):
            make()
