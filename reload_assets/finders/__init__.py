"""Finders, which notice rows of production that are wrong. They only find: requests ask for the reloads."""
