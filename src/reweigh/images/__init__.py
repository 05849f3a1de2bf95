"""Bytes -> tensor: byte ranges, tar members, decoding, views."""
