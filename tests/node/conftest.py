"""What the tests of the node share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sgseg_dicom.config import Config
from tests.node.processes import Archive


@pytest.fixture
def archive() -> Iterator[Archive]:
    """A destination that stores everything."""
    peer = Archive()
    yield peer
    peer.close()


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Config]:
    """Give settings for a node in a folder of its own, on free ports, quick to retry."""

    def build(*archives: Archive, **sections: Any) -> Config:
        defaults: dict[str, Any] = {
            "receive": {"port": 0},
            "store": {"folder": tmp_path / "store", "min_free_megabytes": 0},
            "queue": {"polling_seconds": 0.02, "retry_seconds": 0.05},
            "page": {"port": 0},
            "deliver": {"backoff_seconds": 0.05, "connect_seconds": 2.0, "answer_seconds": 5.0},
            "destination": [peer.destination for peer in archives],
        }
        return Config.internal(
            **{
                key: {**value, **sections.pop(key, {})} if isinstance(value, dict) else value
                for key, value in defaults.items()
            },
            **sections,
        )

    return build
