"""Batches of whatever waits, the decision, and failures of the device."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sgseg_dicom.errors import ConfigError, InferenceError
from sgseg_dicom.inference.decision import decide
from sgseg_dicom.inference.ensemble import resized
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.inference.runtime import Precision
from sgseg_dicom.inference.segmenter import Segmenter
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.records import ModelInput
from sgseg_dicom.release.manifest import Manifest, Thresholds, identity_of
from sgseg_dicom.zones import mirrored
from tests.support.networks import shipped_network, tiny_network

THRESHOLDS = Thresholds(infection=0.6, zone=0.5, mask=0.4)


@pytest.fixture(scope="module")
def network():
    """What is asked for of any network."""
    return tiny_network()


@pytest.fixture(scope="module")
def shipped():
    return shipped_network()


def inputs(count):
    generator = np.random.default_rng(1)
    return [ModelInput(pixels=generator.standard_normal((224, 224), dtype=np.float32)) for _ in range(count)]


class SmallMemory(Network):
    """Stands in for a GPU that is too small: none can be had where the tests run."""

    most = 2

    def _run(self, inputs, guided_by, zones):
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super()._run(inputs, guided_by, zones)


def small_memory(network, most):
    small = SmallMemory(network.members, network.manifest, device="cpu")
    small.most = most
    return small


def test_many_threads_get_each_their_own_prediction(network):
    """Images that wait are one batch, and each caller gets the mask of its own image."""
    waiting = inputs(6)
    expected = [network.judge([item])[0] for item in waiting]
    segmenter = Segmenter(network)

    with ThreadPoolExecutor(6) as pool:
        predictions = list(pool.map(segmenter, waiting))
    segmenter.close()

    for prediction, alone in zip(predictions, expected, strict=True):
        np.testing.assert_allclose(prediction.mask_probability, alone.mask_probability, atol=0.05)
    distances = [
        [np.abs(p.mask_probability - e.mask_probability).mean() for e in expected] for p in predictions
    ]
    assert [int(np.argmin(row)) for row in distances] == list(range(6))


def test_out_of_memory_is_retried_smaller(network):
    """A batch that does not fit is halved until it does; every image is judged."""
    predictions = small_memory(network, most=2).judge(inputs(5))

    assert len(predictions) == 5


def test_one_image_that_does_not_fit_is_an_error_with_a_cure(network):
    """Nothing smaller than one image can be tried."""
    with pytest.raises(InferenceError, match='device = "cpu"'):
        small_memory(network, most=0).judge(inputs(1))


def test_a_size_that_did_not_fit_is_not_tried_again(network):
    """Each try would cost the time of a batch."""
    small = small_memory(network, most=2)
    before = small.max_batch

    small.judge(inputs(4))

    assert (before, small.max_batch) == (4, 2)


class Padding(Network):
    """Stands in for a GPU, whose batches are powers of two."""

    def _padded(self, count):
        return 1 << (count - 1).bit_length()


def test_what_fills_up_a_batch_is_left_out_of_its_answers(network):
    """Three images are computed as four; each of the three gets what it gets alone."""
    waiting = inputs(3)
    zones = [(True, False, False, False, False, False)] * 3
    padding = Padding(network.members, network.manifest, device="cpu")

    for guided_by in ("generated", "ground-truth"):
        together = padding.judge(waiting, guided_by=guided_by, zones=zones)
        alone = network.judge(waiting, guided_by=guided_by, zones=zones)
        assert len(together) == 3
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one.mask_probability, other.mask_probability, atol=1e-3)


def test_a_failed_batch_raises_for_every_caller_in_it_and_the_next_one_runs(network):
    """The device thread outlives a failure."""
    failing = small_memory(network, most=0)
    segmenter = Segmenter(failing)

    with pytest.raises(InferenceError):
        segmenter(inputs(1)[0])
    failing.most = 4
    prediction = segmenter(inputs(1)[0])
    segmenter.close()

    assert prediction.mask_probability.shape == (224, 224)


class Broken(Network):
    """A network with a defect of ours."""

    def _run(self, inputs, guided_by, zones):
        raise TypeError("a defect")


def test_a_defect_reaches_its_caller_and_hangs_nobody(network):
    """The device thread hands on what it did not expect, and serves the next caller as well."""
    segmenter = Segmenter(Broken(network.members, network.manifest, device="cpu"))

    for _ in range(2):
        with pytest.raises(TypeError, match="a defect"):
            segmenter(inputs(1)[0])
    segmenter.close()
    with pytest.raises(InferenceError, match="closed"):
        segmenter(inputs(1)[0])


def test_a_logit_that_is_no_number_is_an_error(network):
    """NaN compares as False everywhere and would read as "no infection"."""
    pixels = np.zeros((224, 224), dtype=np.float32)
    pixels[0, 0] = np.nan

    with pytest.raises(InferenceError, match="not a number"):
        network.judge([ModelInput(pixels=pixels)])


def test_a_gpu_that_is_not_there_stops_the_start(network):
    """device = "cuda" asks for a GPU; "auto" takes one if there is one."""
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    with pytest.raises(ConfigError, match="auto"):
        Network(network.members, network.manifest, device="cuda")


def test_below_the_infection_threshold_nothing_is_marked():
    """No zone, no mask, though one zone and all of the mask reach their own thresholds: any zone at all decides."""
    strict = Thresholds(infection=0.75, zone=0.5, mask=0.4)
    zones = np.float32([0.1, 0.2, 0.6, 0, 0, 0])  # 1 - 0.9 * 0.8 * 0.4 = 0.712
    prediction = decide(np.full((4, 4), 0.9, np.float32), zones, strict)

    assert not any(prediction.zones)
    assert not prediction.mask.any()


def test_an_infected_image_names_at_least_its_likeliest_zone():
    """A finding without a place would be no finding."""
    strict = Thresholds(infection=0.3, zone=0.5, mask=0.4)

    prediction = decide(np.full((4, 4), 0.9, np.float32), np.float32([0.1, 0.2, 0.4, 0.3, 0, 0]), strict)

    assert prediction.zones == (False, False, True, False, False, False)
    assert prediction.mask.all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_runs_in_half_precision_and_agrees_with_the_cpu(shipped):
    """The GPU's mask is the CPU's."""
    on_gpu = load_network(device="cuda")
    assert on_gpu.runtime.precision is Precision.FLOAT16

    for gpu, cpu in zip(on_gpu.judge(inputs(3)), shipped.judge(inputs(3)), strict=True):
        np.testing.assert_allclose(gpu.mask_probability, cpu.mask_probability, atol=0.05)


@pytest.fixture(scope="module")
def flipping(shipped):
    manifest = shipped.manifest.model_copy(update={"members": 1, "test_time_flip": True})
    return Network(shipped.members[:1], manifest, device="cpu")


@pytest.mark.parametrize("judging", ["flipping", "at_two_sizes"])
@pytest.mark.parametrize("guided_by", ["generated", "none", "ground-truth"])
def test_with_test_time_flip_a_mirrored_patient_gets_the_mirrored_prediction(request, judging, guided_by):
    """No side is favoured, and resizing shifts nothing: mask and zones of the mirror image are the mirror's."""
    network, image, zones = (
        request.getfixturevalue(judging),
        inputs(1)[0],
        (True, False, False, False, True, True),
    )
    mirror_image = ModelInput(pixels=np.ascontiguousarray(image.pixels[:, ::-1]))
    straight = network.judge([image], guided_by=guided_by, zones=[zones])[0]
    mirror = network.judge([mirror_image], guided_by=guided_by, zones=[mirrored(zones)])[0]
    assert straight.mask.shape == image.pixels.shape
    np.testing.assert_allclose(mirror.mask_probability[:, ::-1], straight.mask_probability, atol=0.01)
    np.testing.assert_allclose(
        mirror.zone_probabilities[[3, 4, 5, 0, 1, 2]], straight.zone_probabilities, atol=0.01
    )


def test_test_time_flip_changes_who_judges(flipping):
    """Another way of judging has another identity, and so another Device UID."""
    once = flipping.manifest.model_copy(update={"test_time_flip": False})
    assert identity_of(flipping.manifest) != identity_of(once)


@pytest.fixture(scope="module")
def at_two_sizes(shipped):
    update = {"members": 1, "test_time_flip": True, "test_time_sizes": (192, 288)}
    manifest = shipped.manifest.model_copy(update=update)
    return Network(shipped.members[:1], manifest, device="cpu")


def test_the_judgements_at_several_sizes_are_averaged(shipped):
    """Under no guidance the mask's logits are the mean of those that each size gives by itself."""

    def logits(sizes):
        update = {"test_time_flip": False, "test_time_sizes": sizes}
        update |= {"calibration": shipped.manifest.calibration.model_copy(update={"mask_temperature": 1.0})}
        manifest = shipped.manifest.model_copy(update=update)
        judged = Network(shipped.members[:1], manifest, device="cpu").judge(inputs(1), guided_by="none")[0]
        probability = np.clip(judged.mask_probability, 1e-6, 1 - 1e-6)
        return np.log(probability / (1 - probability))

    small, large = logits((192,)), logits((288,))
    assert np.abs(small - large).max() > 0.5  # or the mean would prove nothing
    np.testing.assert_allclose(logits((192, 288)), (small + large) / 2, atol=0.1)


def test_a_resized_map_lies_where_it_lay():
    """A blob's centre stays at the same share of the image, from 192 and 288 to 224 pixels."""
    for size in (192, 288):
        blob = torch.zeros(1, 1, size, size)
        blob[..., size // 2 : size * 3 // 4, : size // 3] = 1
        there = resized(blob, INPUT_SIZE)[0, 0]
        steps = (torch.arange(INPUT_SIZE) + 0.5) / INPUT_SIZE
        assert float((there.sum(1) * steps).sum() / there.sum()) == pytest.approx(0.625, abs=0.002)
        assert float((there.sum(0) * steps).sum() / there.sum()) == pytest.approx(1 / 6, abs=0.002)


def test_sizes_change_who_judges(at_two_sizes):
    """Other sizes are another identity; weights of one size keep the one they had before there were several."""
    once = at_two_sizes.manifest.model_copy(update={"test_time_sizes": (INPUT_SIZE,)})
    assert identity_of(at_two_sizes.manifest) != identity_of(once)
    before = {"format", "sha256", "calibration", "thresholds", "zones", "guidance", "test_time_flip"}
    before |= {"preset", "input_size"}
    assert identity_of(once) == hashlib.sha256(once.model_dump_json(include=before).encode()).hexdigest()


@pytest.mark.parametrize("sizes", [[], [200], [32]])
def test_impossible_sizes_are_refused(network, sizes):
    """The network needs multiples of 32, and a size at all."""
    fields = network.manifest.model_dump(mode="json") | {"test_time_sizes": sizes}
    with pytest.raises(ValidationError, match="test_time_sizes"):
        Manifest.model_validate(fields)


@pytest.mark.parametrize("part", [0, 1])
def test_one_logit_that_is_no_number_is_enough(network, monkeypatch, part):
    """NaN in the zones alone would read "no infection"."""
    logits = [torch.zeros(1, 1, INPUT_SIZE, INPUT_SIZE), torch.zeros(1, 6)]
    logits[part].view(-1)[0] = float("nan")
    monkeypatch.setattr("sgseg_dicom.inference.whole_network.mean_logits", lambda *_, **__: tuple(logits))

    with pytest.raises(InferenceError, match="not a number"):
        network.judge([ModelInput(pixels=np.zeros((INPUT_SIZE, INPUT_SIZE), np.float32))])
