"""Campaigns: many short runs of reloads under a brutal writer and a real CDC task, each judged by its final state.

What they are to show: after a reload, and once CDC has drained, production equals the source for that window; no
newer row was overwritten, no deleted row came back, nothing outside the window changed, and every changed row is in
the audit. Nor is any row worse than without the reload: a shadow gets the same damage and the same CDC.

Each run is made in a world of its own (``worlds``), which its seed draws.
"""
