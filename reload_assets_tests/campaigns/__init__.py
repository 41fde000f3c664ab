"""Campaigns: many short runs of reloads beside a chaotic writer and a real CDC task, each judged by its final state.

They check that after a reload, and once CDC has drained, production equals the source for that window; no newer row was
overwritten, no deleted row came back, nothing outside the window changed, and every changed row is in the audit. Nor is
any row worse than without the reload: a second target, the shadow, gets the same damage and the same CDC.

Each run has its own world (``worlds``), which is drawn from its seed.
"""
