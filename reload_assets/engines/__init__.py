"""The engines, which fill staging tables."""
