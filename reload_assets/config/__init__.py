"""``reload.yaml``: its model, its errors and its reference page."""
