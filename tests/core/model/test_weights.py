"""Weights that do not belong to their manifest or to this code stop the start."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.inference.load import load_segmenter
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.weights import load_members, load_weights, save_weights
from sgseg_dicom.release.manifest import (
    MANIFEST_FILE,
    WEIGHTS_FILE,
    Calibration,
    Manifest,
    Thresholds,
    digest_of_file,
    identity_of,
    packaged_weights,
    read_manifest,
)

FACTS = {
    "name": "SGSeg test",
    "version": "0",
    "preset": "tiny",
    "calibration": Calibration(zone_temperature=1.0, mask_temperature=1.0),
    "thresholds": Thresholds(infection=0.5, zone=0.5, mask=0.5),
    "training": {},
    "metrics": {},
}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_weights(build_sgseg("tiny"), tmp_path, facts=FACTS)
    return tmp_path


def edit_manifest(folder, **changes):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def manifest_of(folder):
    return Manifest.model_validate_json((folder / MANIFEST_FILE).read_text())


def test_weights_come_back_as_they_were_written(folder):
    """Half precision is the only loss on disk."""
    torch.manual_seed(0)
    written = build_sgseg("tiny").state_dict()

    model, _ = load_weights(folder)

    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(
            tensor, written[name].half().float() if tensor.is_floating_point() else tensor
        )


def test_weights_can_be_named_by_their_file(folder):
    """What people type; the manifest lies beside it."""
    by_file, by_folder = (load_weights(place)[0].state_dict() for place in (folder / WEIGHTS_FILE, folder))
    assert all(torch.equal(by_file[name], tensor) for name, tensor in by_folder.items())
    assert read_manifest(folder / WEIGHTS_FILE) == read_manifest(folder)


def test_a_changed_weights_file_is_refused(folder):
    """One flipped byte is another model."""
    path = folder / WEIGHTS_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(WeightsError, match="sha256"):
        load_weights(folder)


def test_another_order_of_zones_is_refused(folder):
    """Left and right exchanged in the manifest must never load."""
    zones = json.loads((folder / MANIFEST_FILE).read_text())["zones"]
    edit_manifest(folder, zones=zones[3:] + zones[:3])

    with pytest.raises(WeightsError, match="left upper"):
        load_weights(folder)


def test_a_missing_tensor_is_refused_by_name(folder):
    """Loading is strict: a model with random parts would still draw masks."""
    path = folder / WEIGHTS_FILE
    tensors = load_file(path)
    del tensors["lerg.aggregator.query"]
    save_file(tensors, path)
    edit_manifest(folder, sha256=digest_of_file(path))
    edit_manifest(folder, identity=identity_of(manifest_of(folder)))

    with pytest.raises(WeightsError, match="aggregator"):
        load_weights(folder)


def test_a_changed_threshold_is_refused(folder):
    """Thresholds belong to one version of the weights, and the results' Device UID names both."""
    edit_manifest(folder, thresholds={"infection": 0.99, "zone": 0.5, "mask": 0.5})

    with pytest.raises(WeightsError, match="changed"):
        load_weights(folder)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    """NaN in a tensor would read "no infection" for every image."""
    model = build_sgseg("tiny")
    torch.nn.init.constant_(model.lerg.aggregator.query, float("nan"))
    save_weights(model, tmp_path, facts=FACTS)

    with pytest.raises(WeightsError, match="aggregator"):
        load_weights(tmp_path)


def test_an_impossible_threshold_is_refused_by_name(folder):
    """A threshold of 1.5 would silently empty every mask."""
    edit_manifest(folder, thresholds={"infection": 0.5, "zone": 0.5, "mask": 1.5})

    with pytest.raises(WeightsError, match="mask"):
        load_weights(folder)


def test_weights_without_a_manifest_are_not_loaded(folder):
    """Nothing is guessed."""
    (folder / MANIFEST_FILE).unlink()

    with pytest.raises(WeightsError, match="manifest"):
        load_weights(folder)


def test_the_weights_that_ship_load_and_say_what_they_were_trained_on():
    """The node's default is real: trained on named data, measured text-free on valid."""
    load_weights(packaged_weights())
    manifest = read_manifest(packaged_weights())

    assert manifest.training["train"]["infected"] > 5000
    assert manifest.training["train"]["normal"] == 700
    assert len(manifest.training["train"]["digest"]) == 64
    assert manifest.metrics["dice_micro"] >= 0.80
    assert manifest.metrics["normals"]["any_finding_rate"] <= 0.10


def test_members_come_back_each_in_its_place(tmp_path):
    """Two models in one file; going on with training begins with the first."""
    torch.manual_seed(1)
    written = [build_sgseg("tiny") for _ in range(2)]

    manifest = save_weights(written, tmp_path, facts=FACTS)

    members, _ = load_members(tmp_path)
    assert manifest.members == len(members) == 2
    for model, expected in zip([*members, load_weights(tmp_path)[0]], [*written, written[0]], strict=True):
        query, wanted = (m.lerg.aggregator.query for m in (model, expected))
        torch.testing.assert_close(query, wanted.half().float())
        assert not model.training


def test_another_number_of_members_is_refused(tmp_path):
    """A manifest that was edited, or a file of another release."""
    save_weights([build_sgseg("tiny") for _ in range(2)], tmp_path, facts=FACTS)
    edit_manifest(tmp_path, members=1)
    with pytest.raises(WeightsError, match="changed"):
        load_weights(tmp_path)

    edit_manifest(tmp_path, identity=identity_of(manifest_of(tmp_path)))
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(tmp_path)


def test_one_member_keeps_its_identity(folder):
    """Weights from before there were several judge as they did, under the Device UID that they had."""
    manifest = manifest_of(folder)
    before = {"format", "sha256", "calibration", "thresholds", "zones", "guidance", "test_time_flip"}
    before |= {"preset", "input_size"}

    assert manifest.identity == hashlib.sha256(manifest.model_dump_json(include=before).encode()).hexdigest()


def test_eight_bits_lose_half_a_step_and_a_third_of_the_file(tmp_path):
    """Large weights only; what is small stays in half precision."""
    facts = FACTS | {"preset": "compact"}
    torch.manual_seed(2)
    model = build_sgseg("compact")
    save_weights(model, tmp_path / "16", facts=facts)

    save_weights(model, tmp_path / "8", facts=facts, bits=8)

    loaded, _ = load_weights(tmp_path / "8")
    for name, tensor in model.state_dict().items():
        found = loaded.state_dict()[name]
        if name.endswith("weight") and tensor.ndim > 1 and tensor.numel() >= 50_000:
            largest = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
            assert ((found - tensor).abs() <= largest / 127 / 2 * 1.001 + 1e-12).all(), name
        else:
            torch.testing.assert_close(found, tensor.half().float() if tensor.is_floating_point() else tensor)
    sizes = [(tmp_path / bits / WEIGHTS_FILE).stat().st_size for bits in ("8", "16")]
    assert sizes[0] < 0.72 * sizes[1]


def test_weights_of_eight_bits_are_written_again_the_same(tmp_path):
    """To judge in another way changes no weight."""
    torch.manual_seed(3)
    save_weights(build_sgseg("tiny"), tmp_path / "once", facts=FACTS, bits=8)
    once, _ = load_weights(tmp_path / "once")

    save_weights(once, tmp_path / "twice", facts=FACTS, bits=8)

    for name, tensor in load_weights(tmp_path / "twice")[0].state_dict().items():
        torch.testing.assert_close(tensor, once.state_dict()[name], rtol=1e-6, atol=0)


def test_weights_that_were_not_calibrated_do_not_judge(folder):
    """Their thresholds are open: every image would be infected."""
    with pytest.raises(WeightsError, match="neither calibrated nor measured"):
        load_segmenter(folder)
