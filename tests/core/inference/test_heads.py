"""A network with heads: lungs and look come with the prediction, and both must say that an image is infected."""

import numpy as np
import pytest
import torch

from sgseg_dicom.errors import InferenceError, WeightsError
from sgseg_dicom.inference.ensemble import passes_of
from sgseg_dicom.inference.head_reader import HeadReader
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.model.head_weights import load_heads
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.records import ModelInput
from sgseg_dicom.release.heads_manifest import joint_identity
from tests.support.heads import LIMITS, tiny_heads, write_tiny_heads, write_tiny_weights

SURE = 1e4
"""More than any log odds."""


def inputs(count):
    generator = np.random.default_rng(2)
    return [ModelInput(pixels=generator.standard_normal((224, 224), dtype=np.float32)) for _ in range(count)]


def network_of(folder, *, heads=None, facts=None, **of_weights):
    weights = write_tiny_weights(folder, **of_weights)
    write_tiny_heads(folder, weights, heads=heads, **(facts or {}))
    return load_network(folder, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def network(folder):
    """Its heads call everything infected."""
    return network_of(folder, facts={"infection": -SURE})


@pytest.fixture(scope="module")
def without(network, folder):
    return load_network(folder, device="cpu", with_heads=False)


@pytest.fixture(scope="module")
def calm(network):
    """The same, but its heads call nothing infected."""
    members, manifest, (heads, known) = network.members, network.manifest, loaded(network)
    return Network(
        members, manifest, device="cpu", heads=(heads, known.model_copy(update={"infection": SURE}))
    )


def loaded(network):
    return network.whole.reader.heads, network.whole.reader.manifest


def test_lungs_and_look_come_with_the_prediction(network):
    """Lungs as labels on the grid of the mask; the look with the limits of its heads."""
    prediction = network.judge(inputs(1))[0]

    assert (prediction.lungs.shape, prediction.lungs.dtype) == ((224, 224), np.uint8)
    assert set(np.unique(prediction.lungs)) <= {0, 1, 2}
    assert prediction.look.limits == LIMITS
    assert all(np.isfinite(prediction.look.scores))


def test_each_image_of_a_batch_gets_what_it_gets_alone(network):
    """Nobody has the look, or the lungs, of another patient."""
    waiting = inputs(3)
    together = network.judge(waiting)
    alone = [network.judge([one])[0] for one in waiting]

    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.look.scores, other.look.scores, atol=0.05)
        assert (one.lungs == other.lungs).mean() > 0.98
        np.testing.assert_allclose(one.mask_probability, other.mask_probability, atol=0.05)
    scores = np.array([one.look.scores for one in alone])
    assert np.abs(scores[0] - scores[1]).max() > 0


def test_the_identity_is_that_of_weights_and_heads(network, without):
    """The Device UID says who judged; without heads it is that of the weights."""
    manifest = loaded(network)[1]

    assert network.algorithm.weights_digest == joint_identity(network.manifest, manifest)
    assert without.algorithm.weights_digest == network.manifest.identity


def test_heads_can_be_left_out(without):
    """Then nothing is read besides zones and mask."""
    prediction = without.judge(inputs(1))[0]

    assert prediction.lungs is None
    assert prediction.look is None


def test_where_the_heads_say_infected_the_zones_decide_as_before(network, without):
    """They add nothing to zones and mask."""
    for with_heads, plain in zip(network.judge(inputs(3)), without.judge(inputs(3)), strict=True):
        assert any(plain.zones)
        assert plain.mask.any()
        assert with_heads.zones == plain.zones
        np.testing.assert_array_equal(with_heads.mask, plain.mask)


def test_where_the_heads_say_not_infected_nothing_is_marked(calm):
    """Whatever the zones say; probabilities, lungs and look are given all the same."""
    prediction = calm.judge(inputs(1))[0]

    assert not any(prediction.zones)
    assert not prediction.mask.any()
    assert prediction.zone_probabilities.max() > 0
    assert prediction.lungs is not None
    assert prediction.look is not None


def test_the_heads_alone_make_no_infection(network):
    """The zones must say so too."""
    strict = network.manifest.thresholds.model_copy(update={"infection": 1 - 1e-9})
    manifest = network.manifest.model_copy(update={"thresholds": strict})

    prediction = Network(network.members, manifest, device="cpu", heads=loaded(network)).judge(inputs(1))[0]

    assert not any(prediction.zones)
    assert not prediction.mask.any()


def test_given_zones_are_not_emptied(calm):
    """Under ground-truth guidance the report is given, and with it that there is an infection."""
    zones = (True, False, False, False, False, True)

    prediction = calm.judge(inputs(1), guided_by="ground-truth", zones=[zones])[0]

    assert prediction.zones == zones
    assert prediction.mask.any()


@pytest.mark.parametrize(
    ("facts", "weights"),
    [
        ({"size": 192}, {}),
        ({}, {"test_time_sizes": (192, 224)}),
        ({}, {"test_time_flip": True}),
    ],
    ids=["another size", "more passes", "mirrored besides"],
)
def test_heads_that_read_another_pass_are_refused(tmp_path, facts, weights):
    """They would read features that they did not learn from."""
    with pytest.raises(WeightsError, match="copy weights and heads of the same release"):
        network_of(tmp_path, facts=facts, **weights)


def test_the_passes_are_read_in_their_order(tmp_path):
    """Lungs and look of the pass over the image itself, at the heads' size; the infection of all of them."""
    heads = tiny_heads(passes=4)
    network = network_of(
        tmp_path, heads=heads, facts={"size": 192}, test_time_flip=True, test_time_sizes=(192, 224)
    )

    reads = network.whole.reader.reads

    assert (reads.size, reads.mirrored) == (192, False)
    once = tiny_heads(passes=1)
    once.load_state_dict(heads.state_dict() | {"infection.weight": once.infection.weight})
    (tmp_path / "once").mkdir()
    alone = network_of(tmp_path / "once", heads=once, facts={"size": 192}, test_time_sizes=(192,))
    np.testing.assert_allclose(
        network.judge(inputs(1))[0].look.scores, alone.judge(inputs(1))[0].look.scores, atol=0.02
    )


@pytest.mark.parametrize("part", ["infection", "lateral", "mirrored"])
def test_a_head_that_is_no_number_is_an_error(network, part):
    """NaN reaches no limit: it would read "not infected", and "a good image"."""
    heads, manifest = tiny_heads(), loaded(network)[1]
    with torch.no_grad():
        getattr(heads, part).weight[0, 0] = float("nan")
    broken = Network(network.members, network.manifest, device="cpu", heads=(heads, manifest))

    with pytest.raises(InferenceError, match="the heads' answer is not a number"):
        broken.judge(inputs(1))


def test_the_linear_heads_are_added_up_in_full_precision(tmp_path):
    """Half precision has eight bits, and rounds log odds of 100 to a half."""
    weights = write_tiny_weights(tmp_path)
    write_tiny_heads(tmp_path, weights)
    members, _ = load_members(tmp_path)
    heads, manifest = load_heads(tmp_path, members, weights=weights.sha256)
    passes = passes_of(members, flip=False, sizes=(224,))
    reader = HeadReader(heads, manifest, passes=passes)
    with torch.inference_mode():
        features = passes[0].encode(torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(1)))[
            0
        ]
        features = [one + 100 for one in features]
        found = []
        for enabled in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                batch = reader.begin()
                batch.see(passes[0], features)
                found.append(batch.outputs(224))

    full, cast = found
    np.testing.assert_allclose(cast.infection, full.infection, atol=1e-4)
    np.testing.assert_allclose(cast.looks, full.looks, atol=1e-4)
