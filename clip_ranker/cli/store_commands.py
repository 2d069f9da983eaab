"""``models``: what the BentoML store of this machine holds."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import bentoml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_ranker.cli.show import plain, plain_json
from clip_ranker.errors import ModelNotFoundError
from clip_ranker.models import names, store

DONE = 0


def add_to(commands: Any) -> None:
    """Adds ``models``."""
    models = commands.add_parser(
        "models",
        help="list the models in the store",
        description="Lists the models in the BentoML store of this machine; CLIP_MODEL or --model "
        "chooses one of them by its name.",
    )
    models.set_defaults(run=run)
    models.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace, people: Console) -> int:
    """Lists them; returns the exit code."""
    found = [about(name) for name in sorted({model.tag.name for model in bentoml.models.list()})]
    if options.json:
        sys.stdout.write(plain_json(json.dumps(found, ensure_ascii=False, indent=2)) + "\n")
        return DONE
    if not found:
        people.print("the store is empty: `import --help` tells how to import a model")
        return DONE
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "precision", "size", "source"):
        shown.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    for one in found:
        size = f"{one['size_bytes'] / 1e6:.0f} MB"
        texts = (one["name"], one["precision"], size, one.get("source") or one["unusable"])
        shown.add_row(*(Text(plain(str(text))) for text in texts))
    Console(highlight=False).print(shown)
    return DONE


def about(name: str) -> dict[str, Any]:
    """The newest model of a name, for people; ``unusable`` says why this version cannot feed it."""
    folder = Path(bentoml.models.get(name).path)
    told = {
        "name": name,
        "precision": "8 bits" if name.endswith(names.INT8) else "fp32",
        "size_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    }
    try:
        return told | {"source": store.load(name).source}
    except ModelNotFoundError as error:
        return told | {"unusable": str(error)}
