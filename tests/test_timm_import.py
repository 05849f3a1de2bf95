"""timm can be imported in a fresh process, whatever torchvision's compiled parts do."""

from __future__ import annotations

import subprocess
import sys


def test_a_fresh_process_imports_timm_twice_and_in_threads() -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from reweigh.timm_import import timm\n"
        "names = {m.__name__ for m in Pool(3).map(lambda _: timm(), range(6))}\n"
        "assert names == {'timm'} and timm().is_model('resnet50')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_and_names_can_be_imported_without_torch_and_timm() -> None:
    code = (
        "import sys\n"
        "import reweigh.features.settings, reweigh.features.backbones, reweigh.features.extraction\n"
        "import reweigh.features.neighbours, reweigh.features.model_folder\n"
        "import reweigh.images.views, reweigh.images.settings\n"
        "assert not {'torch', 'timm', 'faiss'} & set(sys.modules), set(sys.modules) & {'torch', 'timm', 'faiss'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
