"""The passes of an ensemble, and the mean of their logits."""

import numpy as np
import pytest
import torch

from sgseg_dicom.inference.ensemble import Pass, mean_logits, passes_of
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.zones import MIRROR_ORDER


@pytest.fixture(scope="module")
def members():
    torch.manual_seed(3)
    return [build_sgseg("compact").eval().requires_grad_(False) for _ in range(2)]


def own_report(member, zone_logits):
    return member.guide(zone_logits)


def described(passes, members):
    return [(members.index(one.member), one.size, one.mirrored) for one in passes]


def test_one_member_covers_image_and_mirror_image_at_every_size(members):
    """With the flip; without it, it makes passes over the image alone."""
    one = members[:1]

    assert described(passes_of(one, flip=True, sizes=(192, 288)), members) == [
        (0, 192, False),
        (0, 192, True),
        (0, 288, False),
        (0, 288, True),
    ]
    assert described(passes_of(one, flip=False, sizes=(224,)), members) == [(0, 224, False)]


def test_two_members_share_the_passes(members):
    """Image and mirror image are covered at every size, and by every member, in the time that one would take."""
    assert described(passes_of(members, flip=True, sizes=(192, 288)), members) == [
        (0, 192, False),
        (0, 288, True),
        (1, 192, True),
        (1, 288, False),
    ]
    assert not any(one.mirrored for one in passes_of(members, flip=False, sizes=(192, 288)))


def test_the_result_is_the_mean_under_one_report(members):
    """Zones first; then every pass decodes its mask under the report of their mean."""
    passes = passes_of(members, flip=True, sizes=(64, 96))
    images = torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(1))

    masks, zones = mean_logits(passes, images, own_report)

    encoded = [one.encode(images) for one in passes]
    zones_of_each = torch.stack([zone_logits for _, zone_logits in encoded])
    assert np.ptp(zones_of_each.numpy(), axis=0).max() > 1e-3  # or a mean would prove nothing
    torch.testing.assert_close(zones, zones_of_each.mean(0))
    decoded = [one.decode(f, zones, own_report, 224) for one, (f, _) in zip(passes, encoded, strict=True)]
    torch.testing.assert_close(masks, torch.stack(decoded).mean(0))


def test_a_mirrored_pass_gives_results_of_the_image_itself(members):
    """Its results are turned back: zones to the patient's side, the mask onto the image."""
    images = torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(2))
    straight, turned = (Pass(member=members[0], size=224, mirrored=way) for way in (False, True))
    order = list(MIRROR_ORDER)

    features, zones = turned.encode(images)
    features_there, zones_there = straight.encode(images.flip(-1))
    mask = turned.decode(features, zones, own_report, 224)
    mask_there = straight.decode(features_there, zones_there, own_report, 224)

    torch.testing.assert_close(zones, zones_there[:, order])
    torch.testing.assert_close(mask, mask_there.flip(-1))
    assert (mask - mask_there).abs().max() > 1e-4  # it is not its own mirror


def test_given_zones_guide_every_pass(members):
    """The zone logits stay the model's own; a mirrored pass gets the mirrored report."""
    given_zones = torch.tensor([[1.0, -1.0, -1.0, -1.0, -1.0, -1.0]])
    guided_by = []

    def guide(member, zone_logits):
        guided_by.append(zone_logits[0].tolist())
        return member.reports.hard(zone_logits > 0)

    passes = passes_of(members, flip=True, sizes=(64,))
    mean_logits(passes, torch.randn(1, 1, 224, 224), guide, given_zones=given_zones)

    assert guided_by == [given_zones[0].tolist(), given_zones[0, list(MIRROR_ORDER)].tolist()]
