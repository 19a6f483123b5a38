"""How far augmentation goes. A recipe says it for each phase."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """How far each augmentation goes; it is drawn for each image, uniformly from its range. These are recipe keys."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    degrees: float = 15.0
    log_scale: float = 0.22
    log_aspect: float = 0.08
    shift: float = 0.06  # of the image
    log_gamma: float = 0.4
    flip: float = 0.5  # a probability, as all that follow except the last two
    join: float = 0.0  # one lung comes from another image
    foreign: float = 0.0  # changes as if from another hospital (`training.augmentation.appearance`)
    border: float = 0.0  # an undeclared border covers the edges
    erase: float = 0.25
    blur: float = 0.2
    noise: float = 0.3
    noise_deviation: float = 0.03  # of the range black to white
    erased_half: float = 0.12  # half a side of an erased patch is from 0.05 to 0.05 + this, of the image
