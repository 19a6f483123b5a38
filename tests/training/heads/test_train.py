"""What was trained is written beside the weights, and the node loads it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sgseg_dicom.inference.network import load_network
from sgseg_dicom.model.descriptors import content_of
from sgseg_dicom.model.lungs import LungDecoder
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.records import ModelInput
from sgseg_dicom.release.manifest import read_manifest
from tests.support.heads import LIMITS
from tests.training.builders import draw
from training.data import Item
from training.evaluation.evaluate import model_input_of
from training.heads.feature_cache import FeatureCache, digest_of_passes
from training.heads.fit_infection import InfectionFit
from training.heads.fit_look import LookFit
from training.heads.judged import JudgedFilm, judge_films
from training.heads.linear_probe import LinearProbe
from training.heads.look_views import LookView, described, pixels_of
from training.heads.train import _assembled, _write


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(2)
    made = []
    for number in range(3):
        draw(folder / f"x__{number}.png", rng.integers(40, 200, (14, 14)).repeat(16, 0).repeat(16, 1))
        made.append(Item(name=f"x__{number}", image=folder / f"x__{number}.png", mask=None, zones=None))
    return made


def probe(width, rng, *, constant=0.25):
    return LinearProbe(rng.normal(size=width) / width, constant)


def test_the_node_gets_what_was_trained(tiny_weights, tmp_path, items):
    """Lungs, look, infection, limits and the zones' threshold that was chosen with them; the old weights stay."""
    members, manifest = load_members(tiny_weights)
    channels, rng = members[0].vision.channels, np.random.default_rng(1)
    content, asymmetry = 2 * sum(channels[1:]), 3 * sum(channels[2:])
    probes = {"lateral": probe(content, rng), "child": probe(content, rng)}
    probes["mirrored"] = probe(asymmetry, rng, constant=0.0)
    look = LookFit(probes=probes, limits=LIMITS, figures={})
    infection = InfectionFit(probe=probe(content, rng), threshold=-1.5, figures={})
    heads = _assembled(LungDecoder(channels), look, infection, channels, content)
    facts = {"member": 0, "size": 224, "training": {}, "metrics": {"look": {}}}

    _write(heads, look, infection, weights=tiny_weights, out=tmp_path / "out", facts=facts)

    network = load_network(tmp_path / "out", device="cpu")
    assert read_manifest(tiny_weights) == manifest
    assert network.manifest == manifest
    image = model_input_of(items[0])
    features = members[0].vision(torch.from_numpy(image.pixels)[None, None])
    scores = network.judge([ModelInput(pixels=image.pixels)])[0].look.scores
    wanted = [float(probes[name](content_of(features).detach().numpy())[0]) for name in ("lateral", "child")]
    np.testing.assert_allclose(scores[:2], wanted, atol=0.05)


def test_films_are_judged_in_all_passes_and_kept(tiny_weights, tmp_path, items):
    """The content of each pass behind the other; a second run asks no model."""
    members, manifest = load_members(tiny_weights)
    manifest = manifest.model_copy(update={"test_time_flip": True, "test_time_sizes": (64,)})
    films = [
        JudgedFilm(item=one, source="x", group="normal", patient=one.name, infected=False) for one in items
    ]

    cache = FeatureCache(folder=tmp_path, weights=digest_of_passes(manifest))
    judged = judge_films(films, members, manifest, cache)
    again = judge_films(films, [], manifest, cache)

    width = 2 * sum(members[0].vision.channels[1:])
    assert judged.content.shape == (3, 2 * width)
    assert judged.zone_logits.shape == (3, 6)
    assert not np.allclose(judged.content[:, :width], judged.content[:, width:])
    np.testing.assert_array_equal(again.content, judged.content)


def test_views_are_described_as_the_node_sees_them(tmp_path, items):
    """A mirrored view is the mirror image; what is described once is kept."""
    plain = LookView(item=items[0], source="x", group="normal", patient="p", kind="adult")
    mirror = LookView(item=items[0], source="x", group="normal", patient="p", kind="adult", mirrored=True)
    np.testing.assert_array_equal(pixels_of(plain), model_input_of(items[0]).pixels)
    np.testing.assert_array_equal(pixels_of(mirror), pixels_of(plain)[:, ::-1])

    def encode(images):
        """Give maps that are symmetric themselves: pooled images."""
        return [torch.nn.functional.avg_pool2d(images, stride) for stride in (4, 8, 16, 32)]

    views = [plain, mirror]
    cache = FeatureCache(folder=tmp_path, weights="w")
    found = described(views, encode, cache)
    again = described(views, None, cache)

    np.testing.assert_allclose(found.asymmetry[1], -found.asymmetry[0], atol=1e-5)
    np.testing.assert_allclose(found.content[1], found.content[0], atol=1e-5)
    np.testing.assert_array_equal(again.content, found.content)


def test_what_other_weights_made_is_not_taken(tiny_weights, tmp_path, items):
    """Their features would train heads that fit no network: the model is asked again."""
    members, manifest = load_members(tiny_weights)
    films = [
        JudgedFilm(item=one, source="x", group="normal", patient=one.name, infected=False) for one in items
    ]
    theirs = manifest.model_copy(update={"sha256": "f" * 64})
    old = FeatureCache(folder=tmp_path, weights=digest_of_passes(theirs))
    kept = old.of("judged", items)
    kept.pieces(3, 64, lambda start, stop: {"content": np.zeros((3, 4)), "zones": np.zeros((3, 6))}, title="")

    judged = judge_films(
        films, members, manifest, FeatureCache(folder=tmp_path, weights=digest_of_passes(manifest))
    )

    assert judged.content.shape[1] > 4
    assert judge_films(films, [], theirs, old).content.shape[1] == 4


def test_a_mirrored_view_is_not_taken_for_the_film_itself(tmp_path, items):
    """The films are the same, and what is shown of them is not."""
    plain = LookView(item=items[0], source="x", group="normal", patient="p", kind="adult")
    seen = []

    def encode(images):
        seen.append(images)
        return [torch.nn.functional.avg_pool2d(images, stride) for stride in (4, 8, 16, 32)]

    cache = FeatureCache(folder=tmp_path, weights="w")
    for view in (plain, replace(plain, mirrored=True)):
        described([view], encode, cache)

    assert len(seen) == 2
