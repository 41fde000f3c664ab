"""Reads the source: see ``reload_assets.source.reader``."""
