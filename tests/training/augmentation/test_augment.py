"""Augmentation keeps image, mask and zones together."""

from dataclasses import replace

import torch

from tests.training.builders import STILL
from training.augmentation.augment import augment
from training.augmentation.strength import Strength


def batch():
    images, masks, zones = torch.full((2, 1, 64, 64), 0.2), torch.zeros(2, 1, 64, 64), torch.zeros(2, 6)
    images[:, :, 10:20, 5:15] = 0.9
    masks[:, :, 10:20, 5:15] = 1
    zones[:, 0] = 1
    return images, masks, zones


def seeded():
    return torch.Generator().manual_seed(1)


def test_no_strength_changes_nothing():
    """The identity, resampled."""
    images, masks, zones = batch()

    result = augment(images, masks, zones, size=64, strength=STILL, generator=seeded())

    torch.testing.assert_close(result, (images, masks, zones))


def test_a_flip_swaps_the_lungs():
    """An image is never flipped without its zones: right upper becomes left upper."""
    images, masks, zones = batch()
    flipping = replace(STILL, flip=1.0)

    images_out, masks_out, zones_out = augment(
        images, masks, zones, size=64, strength=flipping, generator=seeded()
    )

    torch.testing.assert_close(images_out, images.flip(3))
    torch.testing.assert_close(masks_out, masks.flip(3))
    assert zones_out.int().tolist() == [[0, 0, 0, 1, 0, 0]] * 2


def test_mask_and_image_move_together():
    """Wherever the patch goes, the mask lies over it."""
    images, masks, zones = batch()
    moving = Strength(log_gamma=0, erase=0, blur=0, noise=0)

    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        moved, moved_masks, _ = augment(images, masks, zones, size=96, strength=moving, generator=generator)
        inside, outside = moved[moved_masks > 0.5], moved[moved_masks < 0.5]
        assert inside.mean() > 0.75
        assert outside.mean() < 0.25


def test_the_same_generator_gives_the_same_batch():
    """All random numbers come from the generator."""
    first = augment(*batch(), size=64, strength=Strength(), generator=seeded())
    second = augment(*batch(), size=64, strength=Strength(), generator=seeded())

    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_joined_lungs_bring_their_own_zones():
    """Zones and mask agree about the lung that comes from another radiograph."""
    images, masks, zones = (
        torch.rand(8, 1, 64, 64, generator=seeded()),
        torch.zeros(8, 1, 64, 64),
        torch.zeros(8, 6),
    )
    masks[:4, :, 10:20, 5:15], zones[:4, 0] = 1, 1  # image left: the patient's right lung
    masks[4:6, :, 40:50, 50:60], zones[4:6, 5] = 1, 1
    joining = replace(STILL, join=1.0)

    joined, joined_masks, joined_zones = augment(
        images, masks, zones, size=64, strength=joining, generator=seeded()
    )

    assert joined_zones[:, :3].amax(dim=1).tolist() == joined_masks[..., :32].amax(dim=(1, 2, 3)).tolist()
    assert joined_zones[:, 3:].amax(dim=1).tolist() == joined_masks[..., 32:].amax(dim=(1, 2, 3)).tolist()
    assert not torch.equal(joined_zones, zones)
    torch.testing.assert_close(joined[..., :28], images[..., :28])
    assert not torch.isclose(joined[..., 36:], images[..., 36:]).flatten(1).all(dim=1).all()


def test_a_border_covers_the_mask_too():
    """Nothing is marked under it; the other images stay."""
    images, masks, zones = torch.ones(40, 1, 64, 64), torch.ones(40, 1, 64, 64), torch.ones(40, 6)
    framing = replace(STILL, border=0.5)

    bordered, marked, _ = augment(images, masks, zones, size=64, strength=framing, generator=seeded())
    covered = (marked == 0).flatten(1).any(dim=1)

    assert 10 <= covered.sum() <= 30
    assert (bordered[marked == 1] == 1).all()
    assert (bordered[marked == 0] < 1).all()
    assert marked[:, :, 7:-7, 7:-7].all()  # a tenth at each side at most
