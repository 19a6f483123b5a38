"""How many megapixels may be in work at the same time: each pixel takes memory until its image is done."""

import threading
from collections import deque


class Room:
    """
    Megapixels that are free, and who waits for them; safe to call from many threads.

    Who asks first is served first. Small images would else keep a large one waiting for ever.

    Args:
        megapixels: how many there are. Whoever needs all of them waits until nothing is taken.
    """

    def __init__(self, megapixels: int) -> None:
        self._free = megapixels
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, megapixels: int) -> None:
        """Wait until so many are free, and take them."""
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: self._waiting[0] is turn and self._free >= megapixels)
            self._waiting.popleft()
            self._free -= megapixels
            self._changed.notify_all()  # the next in the line may fit too

    def give_back(self, megapixels: int) -> None:
        """Let others have them."""
        with self._changed:
            self._free += megapixels
            self._changed.notify_all()
