"""Every SQL statement of reload_assets, one a file, runnable in psql; packaged as ``reload_assets.sql``."""
