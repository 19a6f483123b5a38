"""Which workflows run in this process, and how many images may begin."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node.work.rows import delivery_id


class Running:
    """
    The workflows that run in this process; safe to call from many threads.

    Args:
        at_once: images that may be in work.
        on_room: called when an image has ended.
    """

    def __init__(self, *, at_once: int, on_room: Callable[[], object]) -> None:
        self.ids: set[str] = set()
        self._at_once, self._on_room = at_once, on_room
        self._changing = threading.Lock()
        self._starting: set[str] = set()
        self._expected: set[str] = set()
        self._then: Callable[[], object] = lambda: None

    def expect(self, workflow_ids: set[str], *, then: Callable[[], object]) -> None:
        """Hold places for workflows that an earlier worker left; call *then* when all of them run."""
        self._expected, self._then = set(workflow_ids), then
        if not workflow_ids:
            then()

    @contextmanager
    def starting(self, workflow_id: str) -> Iterator[None]:
        """Hold a place for a workflow that is being started, until `this`, or until the block fails."""
        is_started = False
        with self._changing:
            self._starting.add(workflow_id)
        try:
            yield
            is_started = True
        finally:
            if not is_started:
                with self._changing:
                    self._starting.discard(workflow_id)

    @contextmanager
    def this(self, workflow_id: str) -> Iterator[None]:
        """Count a workflow as running inside this context."""
        with self._changing:
            self.ids.add(workflow_id)
            self._starting.discard(workflow_id)
            was_last = self._expected == {workflow_id}
            self._expected.discard(workflow_id)
        if was_last:
            self._then()
        try:
            yield
        finally:
            with self._changing:
                self.ids.discard(workflow_id)
            if _is_image(workflow_id):
                self._on_room()

    def room(self) -> int:
        """Count the images that may begin now."""
        with self._changing:
            taken = self.ids | self._starting | self._expected
        return self._at_once - sum(map(_is_image, taken))

    def deliveries_to(self, destination: str) -> int:
        """Count the deliveries to one destination, including those that pause."""
        ending = delivery_id("", destination)
        return sum(workflow_id.endswith(ending) for workflow_id in tuple(self.ids))


def _is_image(workflow_id: str) -> bool:
    return "/" not in workflow_id
