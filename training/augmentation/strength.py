"""How far augmentation goes; a recipe says it for each phase."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """How far the augmentation goes; each is drawn evenly from its range, for each image."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    degrees: float = 15.0
    log_scale: float = 0.22
    log_aspect: float = 0.08
    shift: float = 0.06  # of the image
    log_gamma: float = 0.4
    flip: float = 0.5  # probability, as all that follow but the last two
    join: float = 0.0  # of one lung from another image
    foreign: float = 0.0  # to look as from another hospital (`training.augmentation.appearance`)
    border: float = 0.0  # of a frame over the image
    erase: float = 0.25
    blur: float = 0.2
    noise: float = 0.3
    noise_deviation: float = 0.03  # of the range black to white
    erased_half: float = 0.12  # half a side of an erased patch is 0.05 to 0.05 + this, of the image
