"""``models``: what the BentoML store of this machine holds, or a running service serves."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bentoml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_ranker.cli import service
from clip_ranker.cli.show import plain, plain_json
from clip_ranker.errors import ModelNotFoundError
from clip_ranker.models import names, store
from clip_ranker.rank.models import ModelsResponse

DONE = 0
PRECISIONS = {"fp32": "fp32", "int8": "8 bits"}


def add_to(commands: Any) -> None:
    """Adds ``models``."""
    models = commands.add_parser(
        "models",
        help="list the models in the store, or those of a service",
        description="Lists the models in the BentoML store of this machine, of which CLIP_MODEL or "
        "--model chooses one by its name; or those that a service serves.",
    )
    models.set_defaults(run=run)
    models.add_argument("--url", help="of a service, such as http://localhost:8000")
    models.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace, people: Console) -> int:
    """Lists them; returns the exit code."""
    if options.url:
        return _served(service.models(url=options.url), as_json=options.json)
    found = [about(name) for name in sorted({model.tag.name for model in bentoml.models.list()})]
    if options.json:
        sys.stdout.write(plain_json(json.dumps(found, ensure_ascii=False, indent=2)) + "\n")
        return DONE
    if not found:
        people.print("the store is empty: `import --help` tells how to import a model")
        return DONE
    rows = []
    for one in found:
        size = f"{one['size_bytes'] / 1e6:.0f} MB"
        rows.append((one["name"], one["precision"], size, one.get("source") or one["unusable"]))
    _print(("name", "precision", "size", "source"), rows)
    return DONE


def _served(answer: ModelsResponse, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(plain_json(answer.model_dump_json(indent=2)) + "\n")
        return DONE
    rows = []
    for one in answer.models:
        default = "default" if one.name == answer.default else ""
        pixels = f"{one.width_px}x{one.height_px} px"
        rows.append((one.name, default, PRECISIONS[one.precision], pixels, one.source))
    _print(("name", "", "precision", "input", "source"), rows)
    return DONE


def _print(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        shown.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    for texts in rows:
        shown.add_row(*(Text(plain(text)) for text in texts))
    Console(highlight=False).print(shown)


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
