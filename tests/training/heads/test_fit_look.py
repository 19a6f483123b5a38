"""The heads of the look, and their limits, on planted descriptors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sgseg_dicom.applicability.image_check import ImageCheckScores
from sgseg_dicom.model.heads import Heads
from training.data import Item
from training.heads import fit_look as module
from training.heads.fit_look import ALLOWED, CHECK_WEIGHT, Views, fit_look, put_into
from training.heads.look_views import Described, LookView

ADULTS, LATERALS, CHILDREN = 300, 30, 60
CHANNELS = [2, 1, 1, 1]
"""Of the heads that the probes are put into: content of 6, asymmetry of 6."""


def view(name, kind, source, **facts):
    item = Item(name=name, image=Path(name), mask=None, zones=None)
    return LookView(item=item, source=source, group=kind, patient=name, kind=kind, **facts)


def planted():
    """Adults of two sources and their mirror images, laterals, children; one under ND, one wrong way round."""
    views = [view(f"a{number}", "adult", "one" if number % 3 else "two") for number in range(ADULTS)]
    views[0], views[1] = replace(views[0], learned=False), replace(views[1], right_way=False)
    views += [replace(one, mirrored=True) for one in views]
    views += [view(f"l{number}", "lateral", "two") for number in range(LATERALS)]
    views += [view(f"c{number}", "child", "guangzhou") for number in range(CHILDREN)]
    views += [replace(one, changed=True) for one in views[-CHILDREN:]]
    rng = np.random.default_rng(3)
    content, asymmetry = rng.normal(size=(2, len(views), 6))
    for row, one in enumerate(views):
        content[row, 0] += 9 * (one.kind == "lateral")
        content[row, 1] += 9 * (one.kind == "child")
        asymmetry[row, 0] += 5 * (-1) ** (one.mirrored == one.right_way)
    return Described(views=views, content=np.float32(content), asymmetry=np.float32(asymmetry))


@pytest.fixture(scope="module")
def described():
    return planted()


@pytest.fixture(scope="module")
def fit(described):
    """With an image check that half knows the sides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "pixels_of", lambda one: np.float32([2 if one.mirrored else -2]))
        check = lambda pixels: ImageCheckScores(0, 0, 0, 0, 0, mirrored=float(pixels[0]))  # noqa: E731
        patch.setattr(module, "load_image_check", lambda: check)
        return fit_look(described)


def test_few_good_films_and_all_others_are_refused(fit):
    """By scores of folds that were not learned from."""
    for look, allowed in ALLOWED.items():
        figures = fit.figures["folds"][look]
        good, wrong = figures["good films refused"]["all"], figures[f"{look} refused"]["all"]
        assert good["films"] == ADULTS - 1  # one lies the wrong way round
        assert good["refused"] <= allowed * good["films"] + 1
        assert wrong["refused"] >= 0.97 * wrong["films"]
    assert fit.figures["folds"]["lateral"]["lateral refused"]["all"]["films"] == LATERALS
    assert fit.figures["folds"]["child"]["child refused"]["all"]["films"] == CHILDREN


def test_each_source_stands_beside_the_others(fit):
    """A source that was left out is scored where another one has such films to learn from."""
    found = fit.figures["source left out"]

    assert set(found["mirrored"]["mirrored refused"]) == {"all", "one", "two"}
    assert found["lateral"]["lateral refused"] == {"all": found["lateral"]["lateral refused"]["all"]}
    assert found["lateral"]["lateral refused"]["all"]["films"] == 0


def test_the_limits_belong_together(fit):
    """A stated adult has a limit of its own; the sides are those of heads and image check together."""
    limits = fit.limits

    assert limits.child_of_stated_adult > limits.child
    assert limits.check_weight == CHECK_WEIGHT
    assert limits.sure_of_side < 0  # mirrored films are far from looking right here
    assert limits.mirrored < -limits.sure_of_side


def test_nd_and_what_lies_the_wrong_way_is_not_learned_from(described):
    """ND is measured on as a good film; a film that lies the wrong way round is none."""
    views = Views(described)

    for look in ALLOWED:
        known = views.known(look)
        assert not known[[0, 1, ADULTS, ADULTS + 1]].any()
        assert known[2]
    assert views.good[0]
    assert not views.good[1]


def test_children_and_laterals_tell_nothing_of_the_sides(described):
    """Of mirrored images the adults' alone are learned from; of a look its own films and adults'."""
    views = Views(described)

    assert set(views.kind[views.known("mirrored")]) == {"adult"}
    assert set(views.kind[views.known("child")]) == {"adult", "child"}
    assert set(views.kind[views.known("lateral")]) == {"adult", "lateral"}


def test_probes_become_layers(fit, described):
    """What the node computes is what was measured."""
    heads = Heads(CHANNELS, passes=1)

    put_into(heads, fit.probes)

    with torch.no_grad():
        for look, given in Views(described).descriptors.items():
            scored = getattr(heads, look)(torch.from_numpy(given))[:, 0].numpy()
            np.testing.assert_allclose(scored, fit.probes[look](given), atol=1e-4)
