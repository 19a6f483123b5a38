"""Networks for the tests: those that ship, loaded once, and a small one where only the way through it is tested."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from sgseg_dicom.inference.exported_network import ExportedNetwork, load_exported_network
from sgseg_dicom.inference.network import Network, load_network
from sgseg_dicom.inference.segmenter import Judge, Segmenter
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from tests.support.compiled import COMPILED


@cache
def shipped_network() -> Network:
    """Give the weights that ship, on the CPU: two members, four passes an image."""
    return load_network(device="cpu")


@cache
def one_pass_network() -> Network:
    """Give the first of the members that ship; it sees the image once, as it is: a quarter of the time."""
    network = shipped_network()
    once = {"members": 1, "test_time_flip": False, "test_time_sizes": (network.manifest.input_size,)}
    return Network(network.members[:1], network.manifest.model_copy(update=once), device="cpu")


@cache
def tiny_network() -> Network:
    """Give a network of random weights that answers in a twentieth of the time, and of each image something else."""
    shipped = one_pass_network().manifest
    return Network([tiny_model()], shipped.model_copy(update={"preset": "tiny"}), device="cpu")


def tiny_model(*, seed: int = 0) -> SGSeg:
    """Build the preset "tiny" with reports that differ."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_sgseg("tiny").eval()
        model.reports.embeddings.normal_()
    return model


@cache
def exported_network() -> ExportedNetwork:
    """Give the graph that ships, as a node without a GPU runs it."""
    return load_exported_network(cache=COMPILED)


@contextmanager
def segmenter_of(network: Judge) -> Iterator[Segmenter]:
    """Let many threads ask a network for the time of a test."""
    segmenter = Segmenter(network)
    yield segmenter
    segmenter.close()
