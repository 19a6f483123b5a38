"""How a picture marks a region; a file of its own, since the configuration names it too and loads nothing for it."""

from typing import Literal

PictureStyle = Literal["outline", "fill"]
"""An outline leaves what lies under it as it is. A fill is seen from afar, and tints the texture of the lung."""
