"""``python -m reload_assets.cli`` is ``reload-assets``."""

from reload_assets.cli.main import main

main(prog_name="reload-assets")
