"""Features are kept by the weights and the films that they were made of."""

import numpy as np
import pytest
import torch

from sgseg_dicom.release.manifest import read_manifest
from tests.training.builders import draw
from training.data import Item
from training.heads.feature_cache import FeatureCache, digest_of_passes


@pytest.fixture
def items(tmp_path):
    made = []
    for number in range(5):
        path = tmp_path / "films" / f"x__{number}.png"
        draw(path, np.full((16, 16), 50 + number))
        made.append(Item(name=path.stem, image=path, mask=None, zones=None))
    return made


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(folder=tmp_path / "cache", weights="1" * 64)


def numbers(start, stop):
    return {"number": np.arange(start, stop), "square": np.arange(start, stop)[:, None] ** 2}


def test_pieces_are_joined_in_their_order(cache, items):
    """Five films, two a file: the last file has one."""
    kept = cache.of("numbers", items)

    found = kept.pieces(5, 2, numbers, title="numbers")

    assert len(list(kept.folder.iterdir())) == 3
    np.testing.assert_array_equal(found["number"], range(5))
    np.testing.assert_array_equal(found["square"][:, 0], [0, 1, 4, 9, 16])


def test_a_run_that_was_stopped_goes_on(cache, items):
    """What it had made is not made again; what it was writing counts for nothing."""
    kept, made = cache.of("numbers", items), []

    def stopped(start, stop):
        if start == 2:
            (kept.folder / "001.part.npz").write_bytes(b"half")
            raise KeyboardInterrupt
        return numbers(start, stop)

    with pytest.raises(KeyboardInterrupt):
        kept.pieces(5, 2, stopped, title="numbers")
    found = kept.pieces(5, 2, lambda *place: made.append(place) or numbers(*place), title="numbers")

    assert made == [(2, 4), (4, 5)]
    np.testing.assert_array_equal(found["number"], range(5))


def test_tensors_are_made_once(cache, items):
    """As pieces are; another name is another file."""
    kept = cache.of("tensors", items)

    first = kept.tensors("a", lambda: {"x": torch.arange(3)})
    again = kept.tensors("a", lambda: {"x": torch.zeros(3)}, mapped=True)
    other = kept.tensors("b", lambda: {"x": torch.zeros(3)})

    assert torch.equal(first["x"], again["x"])
    assert not torch.equal(first["x"], other["x"])


def test_everything_that_decides_the_features_has_a_folder_of_its_own(cache, items, tmp_path):
    """Other weights, other films, another order, another way to show them, other pixels under the same name."""
    folder = cache.of("look", items).folder
    assert cache.of("look", items).folder == folder

    others = [
        FeatureCache(folder=cache.folder, weights="2" * 64).of("look", items),
        cache.of("look", items[:4]),
        cache.of("look", items[::-1]),
        cache.of("look", items, ["mirrored"]),
        cache.of("judged", items),
    ]
    draw(items[0].image, np.full((16, 16), 200))
    others.append(cache.of("look", items))

    assert len({folder, *(other.folder for other in others)}) == 7


def test_limits_make_no_other_features_and_passes_do(tiny_weights):
    """Weights that are calibrated anew keep their cache; a pass more is another descriptor."""
    manifest = read_manifest(tiny_weights)
    thresholds = manifest.thresholds.model_copy(update={"infection": 0.123})

    calibrated = manifest.model_copy(update={"thresholds": thresholds, "identity": "0" * 64})
    assert digest_of_passes(calibrated) == digest_of_passes(manifest)
    for change in ({"sha256": "0" * 64}, {"test_time_flip": True}, {"test_time_sizes": (64,)}):
        other = manifest.model_copy(update=change)
        assert other != manifest
        assert digest_of_passes(other) != digest_of_passes(manifest)
