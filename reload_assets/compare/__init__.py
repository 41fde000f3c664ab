"""Compares source and production: the content of a window, and which rows differ."""
