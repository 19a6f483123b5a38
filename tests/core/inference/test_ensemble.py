"""Who looks at what, and the mean of what is said."""

import numpy as np
import pytest
import torch

from sgseg_dicom.inference.ensemble import Look, judge_by, looks_of
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.zones import MIRROR_ORDER


@pytest.fixture(scope="module")
def members():
    torch.manual_seed(3)
    return [build_sgseg("compact").eval().requires_grad_(False) for _ in range(2)]


def own_report(member, zone_logits):
    return member.guide(zone_logits)


def seen_by(looks, members):
    return [(members.index(look.member), look.size, look.mirrored) for look in looks]


def test_one_member_sees_every_size_both_ways(members):
    """With the flip; without it the image alone."""
    one = members[:1]

    assert seen_by(looks_of(one, flip=True, sizes=(192, 288)), members) == [
        (0, 192, False),
        (0, 192, True),
        (0, 288, False),
        (0, 288, True),
    ]
    assert seen_by(looks_of(one, flip=False, sizes=(224,)), members) == [(0, 224, False)]


def test_two_members_share_the_looks(members):
    """Every size is seen both ways, every member sees every size: in the time that one alone would take."""
    assert seen_by(looks_of(members, flip=True, sizes=(192, 288)), members) == [
        (0, 192, False),
        (0, 288, True),
        (1, 192, True),
        (1, 288, False),
    ]
    assert not any(look.mirrored for look in looks_of(members, flip=False, sizes=(192, 288)))


def test_the_answer_is_the_mean_under_one_report(members):
    """Zones first; then every look draws under the report of their mean."""
    looks = looks_of(members, flip=True, sizes=(64, 96))
    images = torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(1))

    masks, zones = judge_by(looks, images, own_report)

    seen = [look.see(images) for look in looks]
    assert (
        np.ptp(torch.stack([z for _, z in seen]).numpy(), axis=0).max() > 1e-3
    )  # or a mean would prove nothing
    torch.testing.assert_close(zones, torch.stack([z for _, z in seen]).mean(0))
    drawn = [look.draw(f, zones, own_report, 224) for look, (f, _) in zip(looks, seen, strict=True)]
    torch.testing.assert_close(masks, torch.stack(drawn).mean(0))


def test_a_mirrored_look_speaks_of_the_image_itself(members):
    """What a member says of the mirror image is turned back: zones to the patient's side, the mask onto the image."""
    images = torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(2))
    straight, turned = (Look(member=members[0], size=224, mirrored=way) for way in (False, True))
    order = list(MIRROR_ORDER)

    features, zones = turned.see(images)
    features_there, zones_there = straight.see(images.flip(-1))
    mask = turned.draw(features, zones, own_report, 224)
    mask_there = straight.draw(features_there, zones_there, own_report, 224)

    torch.testing.assert_close(zones, zones_there[:, order])
    torch.testing.assert_close(mask, mask_there.flip(-1))
    assert (mask - mask_there).abs().max() > 1e-4  # it is not its own mirror


def test_a_report_that_is_told_guides_every_look(members):
    """The zones are said all the same; a mirrored look is told the mirrored report."""
    told = torch.tensor([[1.0, -1.0, -1.0, -1.0, -1.0, -1.0]])
    given = []

    def words(member, zone_logits):
        given.append(zone_logits[0].tolist())
        return member.reports.hard(zone_logits > 0)

    judge_by(looks_of(members, flip=True, sizes=(64,)), torch.randn(1, 1, 224, 224), words, told=told)

    assert given == [told[0].tolist(), told[0, list(MIRROR_ORDER)].tolist()]
