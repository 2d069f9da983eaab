"""What is made once, before anything is measured."""

import shutil
import subprocess
import sys

from bench import pictures
from bench.settings import GRAPH, MODEL, OURS, ROOT, STORE, WORK, Tree


def prepare() -> None:
    """Makes the pictures, the plain graph and the stored model where they are missing.

    Graphs of an older state of the import go: half a gigabyte each.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    pictures.write(WORK / "pictures")
    for old in [*WORK.glob("store*"), *WORK.glob("plain*")]:
        if old.is_dir() and old != STORE:
            shutil.rmtree(old)
        elif old.is_file() and not old.name.startswith(GRAPH.name):
            old.unlink()
    if not GRAPH.exists():
        subprocess.run([sys.executable, "-m", "bench.plain", GRAPH], cwd=ROOT, check=True)
    import_model(OURS)


def import_model(tree: Tree) -> None:
    """Runs a checkout's import of the random model, which does nothing the second time."""
    tree.store.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "import_model.py", "--weights", "random", "--name", MODEL],
        cwd=tree.root,
        env=tree.environment(),
        check=True,
    )
