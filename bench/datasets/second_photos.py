"""Real second photographs: the same thing or place, taken again from elsewhere or later.

All other photographs of the part ``test`` are distractors, among them 20 of the same campus.
"""

from pathlib import Path

from bench.datasets import photographs

SAME: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # item: (listings, photos)
    "aerial": (("mvtb-aerial-08",), ("mvtb-aerial-09", "mvtb-aerial-10")),
    "aerial-grey": (("mvtb-aerial2-001",), ("mvtb-aerial2-002", "mvtb-aerial2-003")),
    "aerial-grey-end": (("mvtb-aerial2-009",), ("mvtb-aerial2-008", "mvtb-aerial2-010")),
    "aeroplane": (("opencv-aero1",), ("opencv-aero3",)),
    "aloe": (("opencv-aloeL",), ("opencv-aloeR",)),
    "basketball": (("opencv-basketball1",), ("opencv-basketball2",)),
    "biscuit-box": (("opencv-box",), ("opencv-box_in_scene",)),
    "books": (("opencv-left",), ("opencv-right",)),
    "building": (("mvtb-building2-3",), ("mvtb-building2-1", "mvtb-building2-2")),
    "campus-brick": (("mvtb-P1070491",), ("mvtb-P1070492",)),
    "campus-concrete": (("mvtb-P1070515",), ("mvtb-P1070513",)),
    "campus-lawn": (("mvtb-P1070506", "mvtb-P1070507", "mvtb-P1070509"), ("mvtb-P1070508",)),
    "campus-office": (
        ("mvtb-P1070500", "mvtb-P1070501", "mvtb-P1070503", "mvtb-P1070505"),
        ("mvtb-P1070502",),
    ),
    "campus-palms": (("mvtb-P1070512",), ("mvtb-P1070511",)),
    "castle-sign": (("mvtb-castle",), ("mvtb-castle2",)),
    "eiffel-tower": (("mvtb-eiffel-1",), ("mvtb-eiffel-2",)),
    "graffiti": (("opencv-graf1",), ("opencv-graf3",)),
    "leuven": (("opencv-leuvenA",), ("opencv-leuvenB",)),
    "motorcycle": (("skimage-motorcycle_left",), ("skimage-motorcycle_right",)),
    "rocks": (("mvtb-rocks2-l",), ("mvtb-rocks2-r",)),
    "toy-house": (("mvtb-im.001",), ("mvtb-im.003", "mvtb-im.005", "mvtb-im.007", "mvtb-im.009")),
    "toys": (("opencv-rubberwhale1",), ("opencv-rubberwhale2",)),
    "walls": (("mvtb-walls-l",), ("mvtb-walls-r",)),
}


def build(folder: Path) -> None:
    """Writes the items above, and one with a listing alone for every other photograph."""
    every = photographs.every()
    used = [every[name] for listings, photos in SAME.values() for name in listings + photos]
    seen = {photograph.scene for photograph in used}
    others = {
        one.name: ((one.name,), ()) for one in photographs.of("test") if one.scene not in seen
    }
    for item, (listings, photos) in (SAME | others).items():
        (folder / item).mkdir(parents=True)
        for number, name in enumerate(listings, 1):
            photographs.save_listing(every[name].open(), folder / item, number)
        for number, name in enumerate(photos, 1):
            photographs.save_query(every[name].open(), folder / item, number)
