"""Heads that do not belong to the weights beside them, or were changed, stop the start and say what to do."""

import json

import pytest
import torch

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.head_weights import load_heads
from sgseg_dicom.model.weights import load_members
from sgseg_dicom.release.heads_manifest import (
    HEADS_FILE,
    HEADS_MANIFEST_FILE,
    identity_of_heads,
    joint_identity,
)
from sgseg_dicom.release.manifest import read_manifest
from tests.support.heads import LIMITS, tiny_heads, write_tiny_heads, write_tiny_weights


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    write_tiny_weights(folder)
    return load_members(folder)[0]


@pytest.fixture
def weights(tmp_path):
    return write_tiny_weights(tmp_path)


@pytest.fixture
def manifest(weights, tmp_path):
    return write_tiny_heads(tmp_path, weights)


def edit(folder, **changes):
    path = folder / HEADS_MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder, members, weights):
    with pytest.raises(WeightsError) as told:
        load_heads(folder, members, weights=weights.sha256)
    return str(told.value)


def test_heads_come_back_as_they_were_written(tmp_path, members, weights, manifest):
    """To the last bit: their limits were chosen so. They are loaded to judge, not to learn."""
    heads, found = load_heads(tmp_path, members, weights=weights.sha256)

    assert found == manifest
    assert heads.passes == 1
    assert not heads.training
    written = tiny_heads().state_dict()
    for name, tensor in heads.state_dict().items():
        torch.testing.assert_close(tensor, written[name], rtol=0, atol=0)


def test_weights_without_heads_have_none(tmp_path, members, weights):
    """Those of before."""
    assert load_heads(tmp_path, members, weights=weights.sha256) is None


def test_a_changed_limit_is_refused(tmp_path, members, weights, manifest):
    """Limits belong to one version of the heads; so does the least log odds of an infection."""
    for changes in ({"look": LIMITS.model_dump() | {"child": 9.0}}, {"infection": -9.0}):
        edit(tmp_path, **changes)

        told = refusal(tmp_path, members, weights)

        assert HEADS_MANIFEST_FILE in told
        assert "changed" in told
        assert "restore it" in told


def test_a_changed_file_is_refused(tmp_path, members, weights, manifest):
    """One flipped byte is another head."""
    path = tmp_path / HEADS_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    told = refusal(tmp_path, members, weights)

    assert HEADS_FILE in told
    assert "copy both of the same release" in told


def test_heads_of_other_weights_are_refused(tmp_path, members, manifest):
    """Their features mean something else. They can be taken out."""
    other = write_tiny_weights(tmp_path, seed=1)

    told = refusal(tmp_path, members, other)

    assert HEADS_MANIFEST_FILE in told
    assert "other weights" in told
    assert f"take {HEADS_MANIFEST_FILE} and {HEADS_FILE} out" in told


def test_half_of_the_heads_is_refused(tmp_path, members, weights, manifest):
    """Neither without the manifest nor without the file; a folder with neither would have none."""
    (tmp_path / HEADS_FILE).rename(tmp_path / "kept")
    told = refusal(tmp_path, members, weights)
    assert HEADS_FILE in told
    assert "missing" in told
    assert "copy both" in told

    (tmp_path / "kept").rename(tmp_path / HEADS_FILE)
    (tmp_path / HEADS_MANIFEST_FILE).unlink()
    told = refusal(tmp_path, members, weights)
    assert f"{HEADS_MANIFEST_FILE} is missing" in told
    assert "copy both" in told


def test_a_member_that_is_not_there_is_refused(tmp_path, members, weights):
    """Heads of an ensemble beside a single model."""
    write_tiny_heads(tmp_path, weights, member=1)

    told = refusal(tmp_path, members, weights)

    assert HEADS_MANIFEST_FILE in told
    assert "member 1" in told
    assert "copy all files of one release" in told


def test_another_number_of_passes_than_the_tensors_have_is_refused(tmp_path, members, weights):
    """Loading is strict."""
    write_tiny_heads(tmp_path, weights, passes=2)

    told = refusal(tmp_path, members, weights)
    assert HEADS_FILE in told
    assert "does not fit" in told


def test_heads_that_are_no_numbers_are_refused(tmp_path, members, weights):
    """No image could be judged."""
    heads = tiny_heads()
    with torch.no_grad():
        heads.infection.weight[0, 0] = float("inf")
    write_tiny_heads(tmp_path, weights, heads=heads)

    told = refusal(tmp_path, members, weights)

    assert HEADS_FILE in told
    assert "infection.weight" in told


def test_weights_with_heads_are_another_judge(tmp_path, weights, manifest):
    """The Device UID comes from the identity: it changes with the heads, with each limit, and with the weights."""
    joint = joint_identity(weights, manifest)
    stricter = manifest.model_copy(update={"look": LIMITS.model_copy(update={"mirrored": 0.0})})
    stricter = stricter.model_copy(update={"identity": identity_of_heads(stricter)})
    measured = manifest.model_copy(update={"metrics": {"films": 3}})

    assert len(joint) == 64
    assert joint not in (weights.identity, manifest.identity)
    assert joint_identity(weights, stricter) != joint
    assert joint_identity(weights.model_copy(update={"identity": "0" * 64}), manifest) != joint
    assert identity_of_heads(measured) == manifest.identity
    assert read_manifest(tmp_path) == weights
