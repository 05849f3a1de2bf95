"""Backbones by timm name, their features on disk, neighbours and clusters. The only place that imports timm."""
