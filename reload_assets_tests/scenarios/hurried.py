"""The project's definitions with sensors that look all the time, for a real daemon in a test."""

from dagster import DefaultSensorStatus

from reload_assets.definitions import defs

__all__ = ["defs"]

for sensor in defs.sensors or ():
    sensor._min_interval = 3
    sensor._default_status = DefaultSensorStatus.RUNNING
