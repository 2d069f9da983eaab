"""The commands that the documents tell people to type."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "clients").glob("*/README.md")),
]
DEPLOYMENT = ROOT / "docs" / "deployment.md"
DEPLOYMENT_JA = ROOT / "docs" / "deployment.ja.md"
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = r"(?:\.venv/bin/)?python|bash|cp|curl|docker|docker-compose|git|make|mv|node|npm|npx"
PROGRAMS += r"|pip|sed|sh|ssh|\.venv/bin/clip-ranker"
INLINE = re.compile(rf"(?<!`)`((?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) [^`]+)`(?!`)")


@dataclass(frozen=True)
class Command:
    """A block for a shell, or one command in the text.

    Attributes:
        page: its path below the root.
        kind: ``sh`` as the block says it, or ``text``.
        text: what is typed.
    """

    page: str
    kind: str
    text: str


def name_of(page: Path) -> str:
    """A page as the tests name it."""
    return str(page.relative_to(ROOT))


def fences(page: Path) -> list[tuple[str, str]]:
    """All blocks of a page: what their opening line says, and what they hold."""
    return FENCE.findall(page.read_text())


def commands(page: Path) -> list[Command]:
    """Every command of a page, from top to bottom."""
    text = page.read_text()
    found = [
        (match.start(), Command(name_of(page), match[1], match[2]))
        for match in FENCE.finditer(text)
        if match[1].startswith("sh")
    ]
    hidden = FENCE.sub(lambda match: " " * len(match[0]), text)
    found += [
        (match.start(), Command(name_of(page), "text", match[1]))
        for match in INLINE.finditer(hidden)
        if match[1] not in ("docker compose", "docker-compose.yml")
    ]
    return [command for _, command in sorted(found, key=lambda one: one[0])]
