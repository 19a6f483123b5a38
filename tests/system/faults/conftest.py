"""The fixtures of the node's own tests: a destination, and settings in the test's folder."""

from tests.node.conftest import archive, configure

__all__ = ["archive", "configure"]
