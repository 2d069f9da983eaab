"""The build stage that imports the model, run here file by file."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.engine import ROOT


def test_the_dockerfile_copies_all_that_importing_needs(tmp_path: Path) -> None:
    """It copies file by file, so that other changes do not import the model again."""
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    before = dockerfile[: dockerfile.index("RUN deploy/import.sh")]
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", before):
        *sources, target = line.split()
        for source in sources:
            copy = tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, copy, dirs_exist_ok=True)
            else:
                copy = copy / Path(source).name if target.endswith("/") else copy
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, copy)
    shutil.copy(ROOT / "tests" / "models" / "tiny.json", tmp_path)
    result = subprocess.run(
        ["deploy/import.sh", "small", "--model", "tiny.json", "--weights", "random"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        | {"BENTOML_HOME": str(tmp_path / "bentoml"), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "stored small:" in result.stdout
