"""Authorities and certificates of a test, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path, name: str) -> Path:
    """The certificate of a new authority, ``<name>.crt``; its key is beside it."""
    files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
    _openssl(folder, "req", "-x509", "-days", "2", "-subj", f"/CN={name}", *files, *_NEW_KEY)
    (folder / f"{name}.key").chmod(0o600)
    return folder / f"{name}.crt"


def make_certificate(folder: Path, name: str, *, authority: str, subject: str) -> Path:
    """A certificate for ``subject``, an address or a user, which an authority of the folder has signed."""
    _openssl(folder, "req", "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr", *_NEW_KEY)
    (folder / "extensions").write_text("subjectAltName = IP:127.0.0.1\n", encoding="utf-8")
    signed = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", "extensions")
    _openssl(folder, "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    (folder / f"{name}.key").chmod(0o600)
    return folder / f"{name}.crt"


def _openssl(folder: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed: nothing shows that encrypted connections work")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
