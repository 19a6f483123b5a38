"""The rivals written anew have the shapes and the sizes that their papers give."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from training.data import DataError
from training.paper.image_only import attention_unet
from training.paper.rivals.lvit import LViT
from training.paper.rivals.swin_unet import SwinUnet
from training.paper.rivals.trans_unet import TransUNet
from training.start.pretrained import load_timm_weights


def millions(network: torch.nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


@pytest.mark.parametrize(
    ("build", "published"),
    [
        (lambda: SwinUnet(224), 27.17),
        (lambda: TransUNet(224), 105.28),
        (lambda: LViT(224, text_width=768), 29.7),
        (lambda: attention_unet(), 6.4),
    ],
    ids=["Swin U-Net", "TransUNet", "LViT", "Attention U-Net"],
)
def test_a_rival_has_about_as_many_parameters_as_published(build, published):
    """Within a quarter. Attention U-Net was published for three dimensions."""
    with torch.device("meta"):
        network = build()
    assert millions(network) == pytest.approx(published, rel=0.25)


def test_the_swin_unet_mirrors_its_encoder():
    """The decoder has maps of the encoder's sizes and widths, coarse to fine, and ends at the images' size."""
    network, seen = SwinUnet(64).eval(), []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        assert network(torch.randn(2, 1, 64, 64)).shape == (2, 1, 64, 64)
    assert seen == [(4, 4, 384), (8, 8, 192), (16, 16, 96)]


def test_the_transformer_of_trans_unet_works_on_the_map_at_stride_16():
    """It gets a token for each place there, and without it the mask is another one."""
    network = TransUNet(64, depth=1).eval()
    image, seen = torch.randn(1, 1, 64, 64), []
    network.encoder.blocks.register_forward_hook(lambda _, given, __: seen.append(tuple(given[0].shape)))
    with torch.inference_mode():
        whole = network(image)
        network.encoder.blocks = torch.nn.Identity()
        assert not torch.equal(network(image), whole)
    assert (whole.shape, seen) == (image.shape, [(1, 16, 768)])


def test_lvit_keeps_as_many_tokens_at_every_level():
    """Patches of 16, 8, 4 and 2 places of maps at strides 1, 2, 4 and 8."""
    network, seen = LViT(64, text_width=32).eval(), []
    for block in network.vit_downs:
        block.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        assert network(torch.randn(1, 1, 64, 64), torch.randn(1, 24, 32)).shape == (1, 1, 64, 64)
    assert seen == [(16, 64), (16, 128), (16, 256), (16, 512)]


def test_pretrained_weights_of_another_size_fill_an_encoder(tmp_path):
    """Swin-T's own weights are of windows of 7 places, and of six blocks where Swin U-Net has two."""
    torch.manual_seed(1)
    whole = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0)
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    encoder = SwinUnet(64).encoder
    load_timm_weights(encoder, str(tmp_path))
    first, last = "layers.0.blocks.0.mlp.fc1.weight", "layers.3.blocks.1.mlp.fc2.weight"
    for name in (first, last):
        assert torch.equal(encoder.state_dict()[name], whole.state_dict()[name])
    with pytest.raises(DataError, match="missing"):
        load_timm_weights(encoder, str(tmp_path / "elsewhere.pth"))
