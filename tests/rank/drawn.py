"""Pictures of listings that are alike and not the same: small things on white, captions, labels."""

from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw, ImageFont, ImageOps

Draw = Callable[[ImageDraw.ImageDraw, int, tuple[int, int, int]], None]

SIZE = (600, 450)
FINE = 4
"""Drawn at so many times the size, for soft edges."""
INKS = {"dark": (40, 40, 40), "red": (180, 30, 30), "pale": (215, 215, 215)}
INKS |= {"faint": (240, 240, 236)}


def hoop(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.ellipse((0, 0, side - 1, side - 1), outline=ink, width=side // 12)


def square(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.rectangle((0, 0, side - 1, side - 1), outline=ink, width=side // 12)


def hexagon(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.regular_polygon((side / 2, side / 2, side / 2 - 1), 6, outline=ink, width=side // 12)


def stud(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.ellipse((side * 0.35, side * 0.35, side * 0.65, side * 0.65), fill=ink)


def pen(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.line((side * 0.1, side * 0.9, side * 0.9, side * 0.1), fill=ink, width=side // 12)


def needle(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.line((side * 0.1, side * 0.9, side * 0.9, side * 0.1), fill=ink, width=side // 48)


def key(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    draw.ellipse((0, side * 0.3, side * 0.4, side * 0.7), outline=ink, width=side // 12)
    draw.line((side * 0.4, side * 0.5, side, side * 0.5), fill=ink, width=side // 12)
    draw.line((side * 0.85, side * 0.5, side * 0.85, side * 0.7), fill=ink, width=side // 12)


def glasses(draw: ImageDraw.ImageDraw, side: int, ink: tuple[int, int, int]) -> None:
    for left in (0, side * 0.6):
        box = (left, side * 0.3, left + side * 0.4, side * 0.7)
        draw.ellipse(box, outline=ink, width=side // 12)
    draw.line((side * 0.4, side * 0.5, side * 0.6, side * 0.5), fill=ink, width=side // 12)


THINGS: tuple[Draw, ...] = (hoop, square, hexagon, stud, pen, needle, key, glasses)


def on_white(thing: Image.Image, side_px: int) -> Image.Image:
    """As shops show what they sell."""
    small = ImageOps.contain(thing, (side_px, side_px))
    canvas = Image.new("RGB", SIZE, "white")
    canvas.paste(small, ((SIZE[0] - small.width) // 2, (SIZE[1] - small.height) // 2))
    return canvas


def things(side_px: int) -> Iterator[Image.Image]:
    """Each of the things in each ink."""
    for ink in INKS.values():
        for draw in THINGS:
            large = Image.new("RGB", (FINE * side_px, FINE * side_px), "white")
            draw(ImageDraw.Draw(large), FINE * side_px, ink)
            yield on_white(large, side_px)


def captioned(image: Image.Image, text: str, side_px: int, at: tuple[int, int]) -> Image.Image:
    """With words ``side_px`` high, around a place."""
    copy = image.copy()
    font = ImageFont.load_default(side_px)
    ImageDraw.Draw(copy).text(at, text, fill=(30, 30, 30), font=font, anchor="mm")
    return copy


def captions() -> Iterator[Image.Image]:
    """That differ by one figure."""
    for side_px in (48, 24):
        for text in ("Size 33", "Size 36", "Size 38", "Size 39"):
            yield captioned(Image.new("RGB", SIZE, "white"), text, side_px, (300, 225))


def cards(picture: Image.Image) -> Iterator[Image.Image]:
    """A collector's card, whose label alone differs."""
    card = Image.new("RGB", (400, 560), (240, 240, 240))
    card.paste(ImageOps.fit(picture, (340, 400)), (30, 130))
    for text in ("PSA 8", "PSA 9", "PSA 10"):
        yield captioned(card, text, 40, (200, 60))


def wide(picture: Image.Image) -> Iterator[Image.Image]:
    """That differ at the ends alone, which no model sees."""
    for colour in ("red", "blue", "black"):
        image = ImageOps.fit(picture, (1200, 400))
        for left in (20, 1080):
            ImageDraw.Draw(image).ellipse((left, 150, left + 100, 250), fill=colour)
        yield image
