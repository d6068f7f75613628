"""Places: each builds a whole scene and says where the camera stands in it."""

from collections.abc import Callable

from ..dice import Dice
from ..view import View
from . import indoors, living, outside

Place = Callable[[Dice], View]

# What a place is drawn by, and how often.
PLACES: dict[str, tuple[Place, float]] = {
    "table_top": (indoors.table_top, 17),
    "room": (indoors.room, 12),
    "corner": (indoors.corner, 7),
    "flat": (indoors.flat, 4),
    "portrait": (living.portrait, 17),
    "people": (living.people, 9),
    "pet_face": (living.pet_face, 7),
    "pet": (living.pet, 5),
    "garage": (outside.garage, 8),
    "street": (outside.street, 5),
    "house_front": (outside.house_front, 4),
    "landscape": (outside.landscape, 8),
    "launch": (outside.launch, 6),
    "flowers": (living.flowers, 4),
}
