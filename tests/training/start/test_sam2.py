"""SAM 2's image encoder comes out of ONNX Runtime's format as timm's model."""

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import timm
import torch
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Graph, InferenceSession, Model
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Tensor as Written
from safetensors.torch import load_file

import training.start.sam2
from sgseg_dicom.model.vision import ImageEncoder
from training.data import DataError
from training.start.pretrained import load_image_encoder
from training.start.sam2 import convert, read_ort, to_timm


def small():
    sizes = {"embed_dim": 8, "stages": (1, 1, 2, 1), "global_att_blocks": (3,)}
    return timm.create_model("sam2_hiera_tiny", features_only=True, **sizes).eval()


def tensors_of(model):
    return {name.removeprefix("model."): tensor for name, tensor in model.state_dict().items()}


@pytest.fixture
def trunk():
    """A small one of the same kind, with the positions that it uses."""
    torch.manual_seed(5)
    model = small()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def as_published(model):
    """Write its tensors as the converted model has them."""
    state = tensors_of(model)
    grid = torch.nn.functional.interpolate(state.pop("pos_embed"), size=(64, 64), mode="bicubic")
    positions = grid + state.pop("pos_embed_window").tile(1, 1, 8, 8)
    written = {}
    for name, tensor in state.items():
        theirs = name.replace("fc1", "layers.0").replace("fc2", "layers.1")
        if tensor.ndim == 2:
            place = theirs.removesuffix(".weight").replace(".attn.", "/attn/").replace(".mlp.", "/mlp/")
            place = place.replace(".proj", "/proj") if "attn" not in place else place
            written[f"/image_encoder/trunk/{place}/Transpose_output_0"] = tensor.T.numpy()
        else:
            written[f"model.image_encoder.trunk.{theirs}"] = tensor.numpy()
    written["/image_encoder/trunk/Transpose_output_0"] = positions.numpy()
    return {name: np.ascontiguousarray(array, np.float32) for name, array in written.items()}


def ort(tensors):
    """Write tensors as ONNX Runtime's format has them (onnxruntime/core/flatbuffers/schema/ort.fbs)."""
    builder = flatbuffers.Builder(1024)
    made = []
    for name, array in tensors.items():
        label, raw = builder.CreateString(name), builder.CreateByteVector(array.tobytes())
        Written.StartDimsVector(builder, array.ndim)
        for size in reversed(array.shape):
            builder.PrependInt64(size)
        sizes = builder.EndVector()
        Written.Start(builder)
        Written.AddName(builder, label)
        Written.AddDims(builder, sizes)
        Written.AddDataType(builder, 1 if array.dtype == np.float32 else 7)
        Written.AddRawData(builder, raw)
        made.append(Written.End(builder))
    Graph.StartInitializersVector(builder, len(made))
    for place in reversed(made):
        builder.PrependUOffsetTRelative(place)
    listed = builder.EndVector()
    Graph.Start(builder)
    Graph.AddInitializers(builder, listed)
    graph = Graph.End(builder)
    Model.Start(builder)
    Model.AddGraph(builder, graph)
    model = Model.End(builder)
    InferenceSession.Start(builder)
    InferenceSession.AddModel(builder, model)
    builder.Finish(InferenceSession.End(builder), b"ORTM")
    return bytes(builder.Output())


def test_the_converted_encoder_gives_the_features_of_the_original(trunk):
    """Features at all four strides, for two sizes of image; the positions come apart, up to a constant."""
    found = small()
    tensors = to_timm(as_published(trunk), tensors_of(trunk))
    found.load_state_dict({f"model.{name}": tensor for name, tensor in tensors.items()})

    for size in (128, 160):
        image = torch.randn(2, 3, size, size)
        for converted, original in zip(found(image), trunk(image), strict=True):
            torch.testing.assert_close(converted, original, atol=1e-3, rtol=1e-3)


def test_tensors_are_read_by_their_names(tmp_path):
    """Integers, which say shapes, are left out."""
    given = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "shape": np.array([1, 2])}
    path = tmp_path / "a.ort"
    path.write_bytes(ort(given))

    read = read_ort(path)

    assert list(read) == ["a"]
    np.testing.assert_array_equal(read["a"], given["a"])


def test_a_run_starts_from_what_was_converted(trunk, tmp_path, monkeypatch):
    """From the package's file to an image encoder that is filled, one channel instead of three."""
    monkeypatch.setattr(training.start.sam2, "_trunk", lambda: tensors_of(trunk))
    path = tmp_path / "encoder.ort"
    path.write_bytes(ort(as_published(trunk)))

    convert(path, tmp_path / "sam2")

    written = load_file(tmp_path / "sam2" / "model.safetensors")
    assert written.keys() == tensors_of(trunk).keys()
    encoder = ImageEncoder("sam2_hiera_tiny", in_channels=1)
    full = {name.removeprefix("model."): tensor for name, tensor in encoder.backbone.state_dict().items()}
    full["patch_embed.proj.weight"] = torch.randn(96, 3, 7, 7)
    torch.save(full, tmp_path / "full.pth")
    load_image_encoder(encoder, str(tmp_path / "full.pth"))
    torch.testing.assert_close(
        encoder.backbone.state_dict()["model.patch_embed.proj.weight"],
        full["patch_embed.proj.weight"].sum(dim=1, keepdim=True),
    )


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (None, "cannot be read"),
        (b"PK\x03\x04 a zip", "name the .ort file"),
        ({"a": 1}, "not the image encoder"),
    ],
)
def test_another_file_is_refused(content, cure, tmp_path: Path):
    """The cause and the cure."""
    path = tmp_path / "a.ort"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_bytes(ort({"a": np.ones(3, np.float32)}))

    with pytest.raises(DataError, match=cure):
        convert(path, tmp_path / "out")


def test_an_encoder_of_another_width_is_refused(trunk):
    """As SAM 2's larger ones are."""
    published = as_published(trunk)
    published["model.image_encoder.trunk.patch_embed.proj.bias"] = np.ones(12, np.float32)
    with pytest.raises(DataError, match="another shape"):
        to_timm(published, tensors_of(trunk))
