"""From a source to the graph that is stored: exported, compared, ranked with, quantised."""

from dataclasses import asdict
from pathlib import Path

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import export, lean, meaning, parity, progress, quantise
from clip_ranker.importing.parity import Parity
from clip_ranker.importing.sources import Source
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.text import TextTower


def export_leanest(source: Source, graph: Path) -> Parity:
    """Writes the leanest graph that gives what its source gives.

    Raises:
        ImportRefusedError: not even the plain one does.
    """
    for name, tower in lean.towers(source).items():
        with progress.step(f"exporting to ONNX, {name} graph"):
            export.export(tower, export.two_pictures(source.preprocess), graph)
        try:
            with progress.step("comparing with the source on real photographs"):
                result = parity.check(source, graph)
        except ImportRefusedError as error:
            refused = error
            progress.found(str(error))
        else:
            progress.found(
                f"worst cosine {result.worst_cosine:.7f}, different pixels "
                f"{result.different_pixels}, on {result.pictures} photographs"
            )
            return result
    raise refused


def recall_at_1(graph: Path, source: Source) -> float:
    """Of photographs taken again; warns where it says that the weights mean nothing."""
    with progress.step("ranking real photographs that a phone took again"):
        result = meaning.measure(Encoder(graph), source.preprocess)
    progress.found(f"recall at 1 {result.recall_at_1:.3f}, on {result.queries} photographs")
    if result.doubt and not source.random:
        progress.warn(result.doubt)
    return result.recall_at_1


def text_tower(source: Source, folder: Path) -> TextTower | None:
    """Writes graph and tokeniser of the text tower, if that was asked for.

    Raises:
        ImportRefusedError: tokens or vectors are not those of its source.
    """
    if source.text is None:
        return None
    with progress.step("exporting the text tower, and comparing it with the source"):
        tower, worst_cosine = source.text.write(folder)
    progress.found(f"worst cosine {worst_cosine:.7f}")
    return tower


def quantised(graph: Path, source: Source) -> tuple[Path, dict[str, float]]:
    """Writes the graph in 8 bits into a folder of its own; answers its path and how it agrees.

    Raises:
        ImportRefusedError: rankings would not be the same.
    """
    path = graph.parent / "int8" / graph.name
    path.parent.mkdir()
    with progress.step("quantising, and comparing rankings of real photographs"):
        found = asdict(quantise.quantise(graph, path, source.preprocess))
    agreement = {name: round(value, 5) for name, value in found.items()}
    progress.found(
        "against fp32: " + ", ".join(f"{name} {value}" for name, value in agreement.items())
    )
    return path, agreement
