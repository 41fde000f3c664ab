"""Maps the top-level folder sql/ into the wheel as the package reload_assets.sql."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["reload_assets", "reload_assets.*"]), "reload_assets.sql"],
    package_dir={"reload_assets.sql": "sql"},
    package_data={"reload_assets": ["py.typed"], "reload_assets.sql": ["*.sql", "**/*.sql"]},
)
