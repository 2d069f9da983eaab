"""The client as an app gets it."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.documents import ROOT

CLIENTS = ROOT / "clients"


@pytest.fixture(scope="session", autouse=True)
def packed() -> Path:
    """The client's tarball, put into the example as npm does it: it may be newer than `npm ci`."""
    vendor = CLIENTS / "expo" / "vendor"
    pack = ["npm", "pack", "--silent", "--pack-destination", str(vendor)]
    name = subprocess.run(
        pack, cwd=CLIENTS / "typescript", check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()[-1]
    installed = CLIENTS / "expo" / "node_modules" / "clip-ranker-client"
    shutil.rmtree(installed, ignore_errors=True)
    with tarfile.open(vendor / name) as tarball:
        for member in tarball:
            member.name = member.name.removeprefix("package/")
            tarball.extract(member, installed, filter="data")
    return vendor / name
