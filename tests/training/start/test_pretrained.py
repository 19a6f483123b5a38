"""Weights in their public formats fill the right places, and what does not fit says so."""

import json
from dataclasses import replace

import lightning
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from transformers import BertConfig, BertModel, RTDetrConfig, RTDetrForObjectDetection, RTDetrModel

from sgseg_dicom.model.build import PRESETS, build_sgseg
from sgseg_dicom.model.report_table import ReportTable
from sgseg_dicom.model.vision import ImageEncoder
from sgseg_dicom.zones import index_of, report_of, zones_at
from tests.training.builders import small_data_set
from training.data import DataError, read_split
from training.loop.batches import AugmentedBatches, LoadedItems
from training.loop.module import SGSegTraining
from training.recipe import Phase, load_recipe
from training.start.pretrained import (
    fill_reports,
    fill_reports_at_random,
    load_image_encoder,
    load_pretrained,
    load_text_encoder,
)
from training.start.rt_detr import load_detector

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] . , no one two three four five six infected area areas and unilateral"
WORDS += " bilateral pulmonary infection upper middle lower left right lung"
SMALL = RTDetrConfig(
    d_model=64, encoder_hidden_dim=64, encoder_ffn_dim=64, decoder_ffn_dim=64, decoder_in_channels=[64] * 3,
    decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=30,
)  # fmt: skip


@pytest.fixture
def narrow(monkeypatch):
    """The paper preset's architecture, narrower; the ResNet-50 is whole."""
    sizes = replace(
        PRESETS["paper"], encoder="convnext_atto", decoder_widths=(64, 48, 32, 24), detector_width=64,
        detector_ffn=64, detector_layers=2, object_queries=30,
    )  # fmt: skip
    monkeypatch.setitem(PRESETS, "narrow", sizes)
    torch.manual_seed(1)
    return build_sgseg("narrow").eval()


def bert_folder(folder, *, model_type="bert"):
    """Write a tiny BERT as CXR-BERT's repository has it: config, weights, vocab.txt."""
    torch.manual_seed(2)
    bert = BertModel(
        BertConfig(
            vocab_size=len(WORDS.split()), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32,
        )
    ).eval()  # fmt: skip
    bert.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS.split()) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    path = folder / "config.json"
    own = {"auto_map": {"AutoModel": "modeling_cxrbert.CXRBertModel"}} if model_type != "bert" else {}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": model_type} | own))
    return bert


@pytest.mark.parametrize("ending", ["folder", "file"])
def test_timms_state_dict_fills_the_image_encoder(tmp_path, ending):
    """A folder with model.safetensors, or a .pth: the features are those of timm's own model."""
    donor = timm.create_model("convnext_atto").eval()
    if ending == "folder":
        save_file(donor.state_dict(), tmp_path / "model.safetensors")
        source = tmp_path
    else:
        source = tmp_path / "weights.pth"
        torch.save(donor.state_dict(), source)
    encoder = ImageEncoder("convnext_atto", in_channels=3).eval()

    load_image_encoder(encoder, str(source))

    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = donor.forward_features(image.expand(-1, 3, -1, -1))
        deepest = encoder(image)[-1]
    torch.testing.assert_close(donor.norm_pre(deepest), expected, atol=1e-4, rtol=1e-4)


def test_weights_of_another_architecture_are_refused(tmp_path):
    """What is missing is named, with the file."""
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "model.safetensors")

    with pytest.raises(DataError, match=r"model.safetensors lacks .* stem_0.weight"):
        load_image_encoder(ImageEncoder("convnext_atto", in_channels=3), str(tmp_path))


def test_an_empty_folder_says_which_files_are_wanted(tmp_path):
    """Nothing there: the names that would be right."""
    with pytest.raises(DataError, match=r"model.safetensors"):
        load_image_encoder(ImageEncoder("convnext_atto", in_channels=3), str(tmp_path))


def test_a_public_rt_detr_gives_the_same_features_here(narrow, tmp_path):
    """Saved by transformers and loaded here, image encoder and hybrid encoder give what RTDetrModel's give."""
    torch.manual_seed(3)
    donor = RTDetrForObjectDetection(SMALL).eval()
    donor.save_pretrained(tmp_path)

    load_detector(narrow, tmp_path)

    image, detector = torch.randn(1, 3, 64, 64), narrow.lerg.detector
    with torch.inference_mode():
        expected = [f for f, _ in donor.model.backbone(image, torch.ones(1, 64, 64))]
        found = narrow.detector_vision.backbone(image)[1:]
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        fused = [
            module.encoder(
                inputs_embeds=[
                    project(f) for project, f in zip(module.encoder_input_proj, expected, strict=True)
                ]
            ).last_hidden_state
            for module in (detector, donor.model)
        ]
    for ours, theirs in zip(*fused, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        detector.decoder.bbox_embed[1].layers[2].weight, donor.model.decoder.bbox_embed[1].layers[2].weight
    )


def test_an_rt_detr_without_heads_leaves_the_boxes_alone(narrow, tmp_path):
    """An RTDetrModel has no box refinement: ours stays without effect instead of random."""
    RTDetrModel(SMALL).save_pretrained(tmp_path)

    load_detector(narrow, tmp_path)

    assert not narrow.lerg.detector.decoder.bbox_embed[0].layers[2].weight.any()


def test_an_rt_detr_of_other_sizes_is_refused(tmp_path, narrow):
    """The shapes are compared, and the message has both."""
    wide = RTDetrConfig(**(SMALL.to_dict() | {"decoder_ffn_dim": 96}))
    RTDetrModel(wide).save_pretrained(tmp_path)

    with pytest.raises(DataError, match=r"\(96, 64\)"):
        load_detector(narrow, tmp_path)


def test_another_model_is_no_detector(tmp_path, narrow):
    """The model type in the folder's config.json decides."""
    bert_folder(tmp_path)

    with pytest.raises(DataError, match="holds a bert"):
        load_detector(narrow, tmp_path)


def test_cxr_bert_is_read_as_the_bert_that_it_is(tmp_path):
    """Its folder asks for code of its own, which is not run; the states are BERT's."""
    bert = bert_folder(tmp_path, model_type="cxr-bert")

    encoder = load_text_encoder(str(tmp_path))

    tokens = encoder.tokenizer(["lower left lung"], return_tensors="pt")
    assert tokens["input_ids"].tolist() == [
        [2, *(WORDS.split().index(w) for w in ["lower", "left", "lung"]), 3]
    ]
    with torch.inference_mode():
        expected = bert(**tokens).last_hidden_state
    torch.testing.assert_close(encoder(["lower left lung"])[:, :5], expected, atol=1e-5, rtol=1e-5)


def test_a_text_encoder_of_another_width_is_refused(tmp_path):
    """MiniLM is 384 wide and does not fit the paper preset: the error comes before training."""
    bert_folder(tmp_path)

    with pytest.raises(DataError, match=r"32 wide.*768"):
        fill_reports(ReportTable(768), load_text_encoder(str(tmp_path)))


def test_random_reports_share_their_words_and_differ(tmp_path):
    """Without a text encoder the reports still differ, and padding stays 0."""
    table = ReportTable(16)
    fill_reports_at_random(table, seed=1)

    one, two = (zones_at(index) for index in (1, 2))
    first, second = (table.embeddings[index_of(zones)] for zones in (one, two))
    assert [word for word in report_of(one).split() if word in report_of(two).split()][-2:] == [
        "right",
        "lung.",
    ]
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first, second)
    assert not first[-1].any()
    assert len(torch.unique(table.embeddings.flatten(1), dim=0)) == 64


def test_the_paper_preset_trains_two_steps(tmp_path, caplog):
    """Random weights are warned of, every part learns, and what is frozen does not change."""
    items = read_split(small_data_set(tmp_path, train=4), "train")
    recipe = load_recipe("paper").model_copy(
        update={"phases": (Phase(epochs=1, size=64),), "batch_size": 2, "precision": "32-true"}
    )
    module = SGSegTraining(recipe, steps=2)
    load_pretrained(module.model, recipe)
    before = {name: value.clone() for name, value in module.named_parameters() if value.numel() < 1e5}
    loaded = LoadedItems(items)
    batches = AugmentedBatches(loaded, range(4), epoch=0, sizes=(64,), batch_size=2, seed=1)

    lightning.Trainer(fast_dev_run=2, accelerator="cpu", enable_progress_bar=False).fit(
        module, DataLoader(batches, batch_size=None)
    )

    assert caplog.text.count("random") == 3
    still = {
        name for name, value in module.named_parameters() if name in before and value.equal(before[name])
    }
    assert not {name for name in still if module.get_parameter(name).requires_grad}
    assert any("bbox" in name for name in still)
