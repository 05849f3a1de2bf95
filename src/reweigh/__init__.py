"""Learn image classifiers from large, noisily labelled web data by re-weighting everything."""

from __future__ import annotations

__version__ = "0.1.0"
