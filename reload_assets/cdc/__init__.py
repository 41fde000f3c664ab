"""The CDC task: which tables it carries, its position, what it skipped, and the fence that stops it."""
