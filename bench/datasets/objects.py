"""Household objects photographed from another side, with twins: the same shape in other colours.

The objects are those of the LIBERO-PRO benchmark. Nothing is ever fitted on them. ``titles.csv``
has a title of each, and words that a person would type beside each of its three photos.
"""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from bench.datasets import meshes, packages, photographs, renderer
from bench.datasets.meshes import Mesh
from clip_ranker.evaluate.retake import retake

SHAPES = (
    ("alphabet_soup", "red_alphabet_soup"),
    ("bbq_sauce", "green_bbq_sauce"),
    ("ketchup", "green_ketchup", "blue_ketchup"),
    ("butter", "green_butter"),
    ("chocolate_pudding", "green_chocolate_pudding"),
    ("cookies", "yellow_cookies"),
    ("cream_cheese", "red_cream_cheese"),
    ("macaroni_and_cheese",),
    ("milk", "yellow_milk"),
    ("salad_dressing", "new_salad_dressing", "red_salad_dressing"),
    ("orange_juice", "red_orange_juice"),
    ("popcorn",),
    ("tomato_sauce", "yellow_tomato_sauce"),
    ("akita_black_bowl", "black_bowl", "red_akita_black_bowl", "yellow_bowl"),
    ("basket", "red_basket"),
    ("chefmate_8_frypan",),
    ("glazed_rim_porcelain_ramekin", "red_ramekin"),
    ("plate", "yellow_plate"),
    ("simple_rack",),
    ("white_bowl",),
    ("black_book",),
    ("bowl_drainer",),
    ("wine_rack", "brown_rack"),
    ("desk_caddy", "yellow_desk_caddy"),
    ("moka_pot", "yellow_moka_pot"),
    ("porcelain_mug", "white_porcelain_mug"),
    ("red_coffee_mug",),
    ("yellow_book", "red_yellow_book"),
    ("wine_bottle", "white_bottle"),
    ("white_storage_box",),
    ("white_yellow_mug",),
    ("wooden_shelf",),
    ("wooden_tray",),
    ("wooden_two_layer_shelf",),
)
COLOURS = 3  # of each shape at least
PICTURE_PX = (480, 400)
OBJECT_PX = 400
OTHER_SIDES = (50, 180, 290)  # degrees around, from the side that the listing shows
WORDS = ("same_language", "other_language", "number")  # columns of the titles, a photo each
TITLES = Path(__file__).with_name("titles.csv")


def build(folder: Path) -> None:
    """Writes an item for each colour of each shape: a listing, and a photo of each other side."""
    packages.fetch("libero")
    scenes = photographs.of("test")
    with ProcessPoolExecutor() as processes:
        for _ in processes.map(partial(_shape, folder, scenes), range(len(SHAPES))):
            pass
    with TITLES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            item = folder / row["item"]
            texts = {"listing1": row["title"]}
            texts |= {f"query{number}": row[words] for number, words in enumerate(WORDS, 1)}
            for name, text in texts.items():
                if text:
                    (item / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def _shape(folder: Path, scenes: Sequence[photographs.Photograph], number: int) -> None:
    objects = list(_colours(SHAPES[number]))
    random = np.random.default_rng(number)
    front = float(random.uniform(0, 360))
    for view, around in enumerate((0, *OTHER_SIDES)):
        turn, height = front + around + random.uniform(-15, 15), random.uniform(12, 45)
        seen = renderer.look(objects[0][1], turn, height, OBJECT_PX)
        for name, parts in objects:
            (folder / name).mkdir(parents=True, exist_ok=True)
            lamp = np.float32((random.uniform(-1, 1), random.uniform(0.2, 1), 1))
            alone = renderer.shade(seen, parts, lamp, float(random.uniform(0.45, 0.65)))
            behind = scenes[random.integers(len(scenes))].open()
            if view == 0:
                if random.random() < 0.5:
                    behind = Image.new("RGB", PICTURE_PX, (int(random.integers(225, 256)),) * 3)
                photographs.save_listing(_put(alone, behind, random), folder / name)
            else:
                photo = retake(_put(alone, behind, random), "light", int(random.integers(2**31)))
                photographs.save_query(photo, folder / name, view)


def _colours(names: Sequence[str]) -> Iterator[tuple[str, list[Mesh]]]:
    """The objects of a shape; where they are few, the first in more colours."""
    found = {}
    for name in names:
        (model,) = (packages.SOURCES / "libero").glob(f"*_objects/{name}/{name}.xml")
        found[name] = meshes.read(model)
    yield from found.items()
    original = found[names[0]]
    for turn in (120, 240)[: max(0, COLOURS - len(names))]:
        yield f"{names[0]}-{turn}", [_in_other_colour(part, turn) for part in original]


def _in_other_colour(part: Mesh, degrees: float) -> Mesh:
    """Colours turned around the grey axis, and a tint for what has none."""
    turn = np.deg2rad(degrees)
    cos, sin = np.cos(turn), np.sin(turn) / np.sqrt(3)
    third = (1 - cos) / 3
    matrix = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) * sin + np.eye(3) * cos + third
    tint = 0.75 + 0.25 * np.cos(turn - np.deg2rad((0, 120, 240)))
    return replace(part, texture=np.float32(((part.texture @ matrix.T) * tint).clip(0, 1)))


def _put(alone: Image.Image, behind: Image.Image, random: np.random.Generator) -> Image.Image:
    """The object before a part of a photograph, somewhere near the middle."""
    width, height = PICTURE_PX
    scale = max(width / behind.width, height / behind.height) * random.uniform(1, 1.6)
    size = [max(px, round(side * scale)) for px, side in zip(PICTURE_PX, behind.size, strict=True)]
    left, top = (int(random.integers(s - px + 1)) for s, px in zip(size, PICTURE_PX, strict=True))
    picture = behind.resize(size).crop((left, top, left + width, top + height))
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(2, 8)))  # out of focus
    side = round(OBJECT_PX * random.uniform(0.85, 1.15))
    at = [round((px - side) / 2 + random.uniform(-0.08, 0.08) * px) for px in PICTURE_PX]
    alone = alone.resize((side, side))
    picture.paste(alone, (at[0], at[1]), alone)
    return picture
