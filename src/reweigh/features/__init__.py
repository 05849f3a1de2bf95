"""Backbones by timm name, their features on disk, neighbours and clusters."""
