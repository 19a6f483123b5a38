"""SGSeg: sizes, guidance, and that each image is judged alone."""

import pytest
import torch

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.detector import LocationAggregator
from sgseg_dicom.model.sgseg import count_parameters
from sgseg_dicom.zones import zones_at


@pytest.fixture(scope="module")
def compact():
    torch.manual_seed(0)
    model = build_sgseg("compact").eval()
    model.reports.embeddings.normal_()
    return model


def test_compact_stays_below_ten_million_parameters(compact):
    """The compact preset is the one for two CPU cores."""
    assert count_parameters(compact) <= 10_000_000


def test_paper_preset_has_the_papers_sizes():
    """ConvNeXt-T of 27.8 M with maps 96 to 768 wide, RT-DETR on ResNet-50, 768 wide text, 300 queries of 256."""
    model = build_sgseg("paper").eval()

    assert model.vision.channels == [96, 192, 384, 768]
    assert 27.7e6 < count_parameters(model.vision) < 27.9e6
    assert model.detector_vision.channels == [256, 512, 1024, 2048]
    assert tuple(model.reports.embeddings.shape) == (64, 24, 768)
    assert 13e6 < count_parameters(model.decoder) < 18e6
    with torch.inference_mode():
        features, location = model.encode(torch.randn(1, 1, 224, 224))
        output = model(torch.randn(1, 1, 64, 64))
    assert [tuple(f.shape[1:3]) for f in features] == [(96, 56), (192, 28), (384, 14), (768, 7)]
    assert tuple(location.weights.shape) == (1, 1, 300)
    assert tuple(output.mask_logits.shape) == (1, 1, 64, 64)


def test_the_compact_model_can_have_the_image_encoder_of_sam_2():
    """All but its last block. The rest is the compact preset, narrower at stride 32."""
    model = build_sgseg("compact-hiera").eval()

    with torch.inference_mode():
        output = model(torch.zeros(1, 1, 96, 96))
        features = model.vision(torch.zeros(1, 1, 96, 96))

    assert count_parameters(model) == pytest.approx(23.8e6, rel=0.01)
    assert [tuple(map.shape[1:]) for map in features] == [
        (96, 24, 24),
        (192, 12, 12),
        (384, 6, 6),
        (768, 3, 3),
    ]
    assert output.mask_logits.shape == (1, 1, 96, 96)


def test_an_unknown_preset_names_the_known_ones():
    """A typing error in a manifest says what would be right."""
    with pytest.raises(WeightsError, match="compact"):
        build_sgseg("kompakt")


def test_each_image_of_a_batch_is_judged_alone(compact):
    """Batches of 3 and of 1 give the same, also where height and width differ."""
    images = torch.randn(3, 1, 64, 96)

    with torch.inference_mode():
        together = compact(images)
        alone = [compact(image[None]) for image in images]

    torch.testing.assert_close(
        together.mask_logits, torch.cat([o.mask_logits for o in alone]), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(
        together.location.zone_logits,
        torch.cat([o.location.zone_logits for o in alone]),
        atol=1e-4,
        rtol=1e-4,
    )


def test_soft_guidance_by_a_sure_model_is_the_report_itself(compact):
    """Where every zone is certain, the expected report is the one report."""
    zones = torch.tensor([zones_at(37), zones_at(0)], dtype=torch.float32)

    soft = compact.reports.soft((zones * 2 - 1) * 50)

    torch.testing.assert_close(soft, compact.reports.hard(zones))


def test_soft_guidance_passes_gradients_to_the_zones(compact):
    """The mask's loss teaches the zones through the report."""
    logits = torch.zeros(1, 6, requires_grad=True)

    compact.reports.soft(logits).pow(2).sum().backward()

    assert logits.grad.abs().min() > 0


def test_aggregation_is_softmax_of_xq_times_x():
    """A = softmax(X q^T) X, computed here by hand."""
    aggregator = LocationAggregator(8, queries=1)
    objects = torch.randn(2, 5, 8)

    logits, attention = aggregator(objects)

    expected = torch.stack([(x @ aggregator.query[0]).softmax(0) @ x for x in objects])
    torch.testing.assert_close(logits, aggregator.zones(expected))
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 1))


def test_a_fresh_detector_does_not_swallow_its_signal():
    """
    The input of each batch normalisation varies far above its epsilon. Below it, training and evaluation mode differ.
    """
    torch.manual_seed(0)
    model = build_sgseg("compact").train()
    variances = []
    for module in model.lerg.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda module, inputs: variances.append((inputs[0].var(), module.eps))
            )

    model.encode(torch.randn(4, 1, 64, 64).cumsum(2).cumsum(3))

    assert len(variances) > 40
    assert all(variance > 10 * eps for variance, eps in variances)
