"""The exported graph: the same answers as torch, made without torch, from files that belong together."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgseg_dicom.errors import ConfigError, InferenceError, WeightsError
from sgseg_dicom.inference.compiled_graph import CpuSettings, _keep, cache_of_user, compiled
from sgseg_dicom.inference.exported_network import load_exported_network
from sgseg_dicom.inference.load import load_judge
from sgseg_dicom.inference.network import load_network
from sgseg_dicom.inference.runtime import Precision, Runtime
from sgseg_dicom.inference.segmenter import Segmenter
from sgseg_dicom.inference.wanted import Wanted, choose_runtime
from sgseg_dicom.model_records import Algorithm, ModelInput, Prediction
from sgseg_dicom.release.graph import GRAPH_FILE, GRAPH_MANIFEST_FILE
from sgseg_dicom.release.manifest import packaged_weights
from tests.support.heads import write_tiny_heads, write_tiny_weights
from tests.support.networks import exported_network, shipped_network
from training.release.export_graph import export_graph

ROOT = Path(__file__).parents[3]


def inputs(count):
    generator = np.random.default_rng(5)
    return [ModelInput(pixels=generator.standard_normal((224, 224), dtype=np.float32)) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tiny weights with heads and their graph; what was compiled is kept beside them."""
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_heads(folder, write_tiny_weights(folder))
    export_graph(folder)
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    return load_exported_network(folder, cache=folder / "compiled")


@pytest.fixture
def copied(folder, tmp_path):
    """The same files, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copied", ignore=lambda *_: ["compiled"]))


def test_it_gives_what_torch_gives(folder, exported):
    """Mask, zones, lungs, look and infection, of each image."""
    network = load_network(folder, device="cpu", precision=Precision.FLOAT32)
    for item in inputs(2):
        theirs, (ours,) = network.raw_answers([item]), exported.raw_answers([item])

        np.testing.assert_allclose(ours.mask_logits, theirs.mask_logits, atol=1e-3)
        np.testing.assert_allclose(ours.zone_logits, theirs.zone_logits, atol=1e-3)
        np.testing.assert_allclose(ours.heads.lungs, theirs.heads.lungs, atol=1e-3)
        np.testing.assert_allclose(ours.heads.looks, theirs.heads.looks, atol=1e-3)
        np.testing.assert_allclose(ours.heads.infection, theirs.heads.infection, atol=1e-3)


def test_what_ships_judges_as_torch_does():
    """The shipped graph belongs to the shipped weights; `sgseg-train compare-graph` has compared all of valid."""
    (theirs,), (ours,) = (one.judge_each(inputs(1)) for one in (shipped_network(), exported_network()))

    assert ours.zones == theirs.zones
    np.testing.assert_array_equal(ours.mask, theirs.mask)
    np.testing.assert_array_equal(ours.lungs, theirs.lungs)
    assert exported_network().algorithm == shipped_network().algorithm


def test_the_shipped_graph_was_compared_on_all_of_valid():
    """
    No other judgement on 1,617 films. Ten masks differ, each by a pixel at the threshold; of 456 pixels that makes a
    Dice of 0.9989.
    """
    agreement = json.loads((packaged_weights() / GRAPH_MANIFEST_FILE).read_text())["agreement"]

    assert agreement["films"] >= 1429
    assert agreement["least_dice"] > 0.998
    assert agreement["mean_dice"] > 0.99999
    assert (agreement["other_zones"], agreement["other_findings"]) == (0, 0)


def test_it_needs_no_torch(folder):
    """A machine without a GPU installs neither torch nor timm nor transformers; and nobody is told of it."""
    script = f"""
import sys
for name in ("torch", "torchvision", "timm", "transformers"):
    sys.modules[name] = None
import numpy as np
import node.judge.imports
from pathlib import Path
from sgseg_dicom.inference.image_check import load_image_check
from sgseg_dicom.inference.wanted import Wanted
from sgseg_dicom.model_records import ModelInput
from sgseg_dicom.inference.load import load_judge
pixels = np.random.default_rng(1).standard_normal((224, 224), dtype=np.float32)
load_image_check()(pixels)
judge = load_judge(Path({str(folder)!r}), Wanted(cache=Path({str(folder / "compiled")!r})))
print(judge.judge_each([ModelInput(pixels=pixels)])[0].zones)
print([name for name in sys.modules if name.startswith("openvino_telemetry.")])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    zones, telemetry = done.stdout.splitlines()
    assert zones.count("True") + zones.count("False") == 6
    assert telemetry == "[]"


def test_images_that_come_together_are_computed_at_once_and_not_mixed_up(folder, exported):
    """Each gets what it gets alone."""
    settings = CpuSettings(threads=2, streams=2)
    together = load_exported_network(folder, settings=settings, cache=folder / "compiled")
    given = inputs(5)

    for one, other in zip(together.judge_each(given), exported.judge_each(given), strict=True):
        np.testing.assert_allclose(one.mask_probability, other.mask_probability, atol=1e-3)
    assert together.max_batch == 2


def test_an_answer_that_is_no_number_is_that_images_alone(exported):
    """The others of its batch are judged."""
    good, bad = inputs(2)
    bad.pixels[0, 0] = np.nan

    first, second, third = exported.judge_each([good, bad, good])

    assert isinstance(first, Prediction)
    assert isinstance(second, InferenceError)
    assert isinstance(third, Prediction)
    segmenter = Segmenter(exported)
    with pytest.raises(InferenceError, match="not a number"):
        segmenter(bad)
    assert segmenter(good).zones == first.zones
    segmenter.close()


def test_what_was_compiled_is_kept_and_used_again(folder, copied):
    """The second start needs neither graph nor weights' numbers: seconds become a part of one."""
    load_exported_network(copied, cache=copied / "compiled")
    (blob,) = (copied / "compiled").glob("*.blob")
    before = blob.read_bytes()
    calls = []
    manifest = json.loads((copied / GRAPH_MANIFEST_FILE).read_text())
    compiled(
        lambda: calls.append("compiled"),
        digest=f"{manifest['sha256']}{manifest['digest']}",
        settings=CpuSettings(),
        cache=copied / "compiled",
    )

    assert calls == []
    assert blob.read_bytes() == before
    assert blob.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100_000])
def test_a_damaged_blob_is_made_anew(copied, content):
    """The library would crash on it, again at each start."""
    cache = copied / "compiled"
    load_exported_network(copied, cache=cache)
    (blob,) = cache.glob("*.blob")
    blob.write_bytes(content)

    judged = load_exported_network(copied, cache=cache).judge_each(inputs(1))

    assert isinstance(judged[0], Prediction)
    assert len(blob.read_bytes()) > len(content)


def test_only_what_was_compiled_is_forgotten(tmp_path):
    """An administrator may name a folder that holds other things, for example the one of config.toml."""
    old, name = 0, "0" * 32
    (tmp_path / "folder").mkdir()
    for mine in ("config.toml", f"{name}.blob", f"{name}.1234"):
        (tmp_path / mine).write_bytes(b"")
        os.utime(tmp_path / mine, (old, old))
    os.utime(tmp_path / "folder", (old, old))
    _keep(b"compiled", tmp_path / f"{'1' * 32}.blob")

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{'1' * 32}.blob", "config.toml", "folder"]


@pytest.mark.parametrize(("home", "cache"), [("/h", Path("/h/.cache/sgseg-dicom/compiled")), (None, None)])
def test_a_user_without_a_home_keeps_nothing(monkeypatch, home, cache):
    """A container may run under a number that no user has; the model is compiled each time then."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("os.getuid", lambda: 4_242_424)

    assert cache_of_user() == cache


def test_nothing_is_read_from_a_folder_into_which_others_can_write(copied):
    """The library trusts what it reads, so somebody else's file could do anything."""
    cache = copied / "compiled"
    load_exported_network(copied, cache=cache)
    (blob,) = cache.glob("*.blob")
    blob.write_bytes(b"of somebody else")
    cache.chmod(0o777)

    judged = load_exported_network(copied, cache=cache).judge_each(inputs(1))

    assert isinstance(judged[0], Prediction)
    assert blob.read_bytes() == b"of somebody else"


def test_a_cache_that_cannot_be_written_stops_nobody(folder, tmp_path):
    """The graph is compiled at each start then."""
    (tmp_path / "file").touch()

    judged = load_exported_network(folder, cache=tmp_path / "file" / "compiled").judge_each(inputs(1))

    assert isinstance(judged[0], Prediction)


def edit(folder, **changes):
    path = folder / GRAPH_MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_graph_of_other_weights_is_refused(copied):
    """It would judge by the numbers of one release, and results would name the other."""
    weights = write_tiny_weights(copied, seed=1)
    for name in ("heads.json", "heads.safetensors"):
        (copied / name).unlink()

    assert weights
    with pytest.raises(WeightsError, match="belongs to other weights or heads"):
        load_exported_network(copied)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / GRAPH_FILE).unlink(), "is missing or not that of"),
        (lambda folder: (folder / GRAPH_FILE).write_bytes(b"other"), "is missing or not that of"),
        (lambda folder: (folder / GRAPH_MANIFEST_FILE).unlink(), "is missing; copy all files"),
        (lambda folder: (folder / GRAPH_MANIFEST_FILE).write_text("{}"), "is not a description"),
        (lambda folder: edit(folder, digest="0" * 64), "its numbers are not those of the weights"),
        (lambda folder: edit(folder, tensors=[[0, "unknown"]]), "names the tensor 'unknown'"),
    ],
    ids=["no graph", "another graph", "no description", "no such description", "other numbers", "no tensor"],
)
def test_files_that_do_not_belong_together_are_refused(copied, damage, match):
    """The cause is named, and what to do."""
    damage(copied)

    with pytest.raises(WeightsError, match=match):
        load_exported_network(copied)


def test_weights_without_a_graph_need_torch(copied):
    """Weights that were trained elsewhere run by torch, where that is installed."""
    (copied / GRAPH_FILE).unlink()
    (copied / GRAPH_MANIFEST_FILE).unlink()

    assert choose_runtime(copied, Wanted()) == "torch"
    with pytest.raises(WeightsError, match="export-graph"):
        load_judge(copied, Wanted(runtime="openvino"))


@pytest.mark.parametrize(
    ("wanted", "runtime"),
    [
        (Wanted(device="cpu"), "openvino"),
        (Wanted(device="cpu", runtime="torch"), "torch"),
        (Wanted(device="cuda:1"), "torch"),
    ],
)
def test_openvino_runs_on_a_cpu_and_torch_on_a_gpu(folder, wanted, runtime):
    """Unless the settings say so."""
    assert choose_runtime(folder, wanted) == runtime


def test_openvino_on_a_gpu_is_refused(folder):
    """It would run on the CPU, and nobody would notice."""
    with pytest.raises(ConfigError, match="for a CPU"):
        choose_runtime(folder, Wanted(device="cuda", runtime="openvino"))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(device="cuda:1"), 'device is "cuda:1"'),
        (Wanted(runtime="torch"), 'runtime is "torch"'),
        (Wanted(device="cpu"), "no exported graph"),
    ],
)
def test_where_torch_is_needed_and_missing_the_message_says_why_and_what_to_install(
    copied, monkeypatch, wanted, why
):
    """A device, a runtime, or weights that have no graph: the cure is the same, the cause is not."""
    monkeypatch.setattr("sgseg_dicom.inference.load.is_torch_installed", lambda: False)
    if why == "no exported graph":
        (copied / GRAPH_FILE).unlink()
        (copied / GRAPH_MANIFEST_FILE).unlink()

    with pytest.raises(ConfigError, match=rf"{why}.*pip install 'sgseg-dicom\[gpu\]'"):
        load_judge(copied, wanted)


def test_half_precision_has_an_identity_of_its_own():
    """It changes some answers; float32 does not, whatever runs it."""
    algorithm = Algorithm(name="SGSeg", version="1", weights_digest="0" * 64)
    exact, half = (
        Runtime(name="x", device="y", precision=precision, threads=1).judging(algorithm)
        for precision in (Precision.FLOAT32, Precision.FLOAT16)
    )

    assert exact == algorithm
    assert half.version == "1 float16"
    assert half.weights_digest != algorithm.weights_digest


def test_a_precision_that_the_processor_lacks_is_refused(folder):
    """No processor here computes in float16, and OpenVINO would silently take float32."""
    with pytest.raises(ConfigError, match="does not compute"):
        load_exported_network(folder, settings=CpuSettings(precision=Precision.FLOAT16))
