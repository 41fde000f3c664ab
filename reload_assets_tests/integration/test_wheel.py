"""The built wheel carries the SQL and works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not (CHECKOUT / "setup.py").is_file(), reason="only a checkout can build the wheel"),
]

# Run by the interpreter that has the wheel. The folder of the checkout must be nowhere on its path.
USE_WHEEL = """
import pathlib, sys
from importlib.resources import files

import reload_assets
home = pathlib.Path(sys.prefix)
assert home in pathlib.Path(reload_assets.__file__).parents, reload_assets.__file__

from reload_assets.definitions import defs
assert defs.resolve_all_asset_specs()

entries = list(files("reload_assets.sql").iterdir())
entries += [path for folder in entries if folder.is_dir() for path in folder.iterdir()]
statements = [path for path in entries if path.name.endswith(".sql")]
assert home in pathlib.Path(str(statements[0])).parents, statements[0]
assert statements[0].read_text(encoding="utf-8").startswith("--")
print(f"{len(statements)} files of statements")
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command with nothing of the caller's environment that could lead it back to the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "RELOAD_", "DAGSTER_", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the checkout would commit, so that no file is left in it."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    for name in ("reload_assets", "sql"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, and the dependencies of this one but not its ``reload_assets``."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment.parent)
    interpreter = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", interpreter)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=environment.parent)
    # A folder that is added by a .pth file has its own .pth files ignored, so the editable install stays unseen.
    installed = Path(
        run(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment.parent).strip()
    )
    dependencies = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (installed / "dependencies.pth").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
    return interpreter


def test_wheel_holds_every_statement_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    statements = {f"reload_assets/{path.relative_to(CHECKOUT)}" for path in (CHECKOUT / "sql").rglob("*.sql")}
    assert statements
    assert statements <= packed
    assert "reload_assets/py.typed" in packed
    assert not {name for name in packed if name.startswith(("reload_assets_tests", "sql/", "benchmarks"))}


def test_wheel_loads_definitions_where_there_is_only_a_config_file(python: Path, tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "reload.yaml", tmp_path)
    shown = run(python, "-c", USE_WHEEL, cwd=tmp_path)
    written = len(list((CHECKOUT / "sql").rglob("*.sql")))
    assert f"{written} files of statements" in shown


def test_wheel_installs_a_command(python: Path, tmp_path: Path) -> None:
    assert "usage" in run(python.parent / "reload-assets", "--help", cwd=tmp_path).lower()
