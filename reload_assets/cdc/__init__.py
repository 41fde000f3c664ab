"""What the CDC task carries, how far it is, what it skipped, and the fence that stops it."""
