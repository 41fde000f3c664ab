"""Reading the source, independent of Dagster: see ``reload_assets.source.reader``."""
