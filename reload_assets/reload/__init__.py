"""One reload's life, step by step, without Dagster."""
