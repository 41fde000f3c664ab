"""A first ``reload.yaml``, proposed from both catalogs, with the reason of each choice."""
