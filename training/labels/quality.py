"""
The quality of pseudo-labels: compared with the zones of the grammar, and on phrases that a probe did not learn.

Equal strings have equal embeddings, so a clustering finds the phrases again with every encoder, even a random one:
agreement alone proves nothing. Whether an embedding represents the zones shows on held-out phrases, compared with a
randomly initialised encoder of the same shape.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sgseg_dicom.model.report_table import TextEncoder
from training.data import Item
from training.data.items import bits_of
from training.labels.pseudo_labels import PseudoLabels, location_phrase, pseudo_label


def report_labels(items: Sequence[Item], labels: PseudoLabels, encoder: TextEncoder) -> dict[str, Any]:
    """
    Measure *labels* of *items*, and the labels that a random encoder would give.

    Returns:
        images: their number; `encoder` and `random_encoder`: each with the figures of `agreement` and `held_out`.
    """
    at_random = pseudo_label(items, random_like(encoder))
    return {
        "images": len(items),
        "encoder": agreement(items, labels) | held_out(items, labels),
        "random_encoder": agreement(items, at_random) | held_out(items, at_random),
    }


def agreement(items: Sequence[Item], labels: PseudoLabels) -> dict[str, float]:
    """
    Compare clusters and labels with the grammar's zones.

    Returns:
        phrases, clusters: their numbers;
        ari, nmi: of the clusters, where noise counts as a cluster;
        noise: the share of the images in no cluster;
        purity: of the other images, the share with the most frequent zones of their cluster;
        exact_match: the share of the images whose six bits are those of the grammar.
    """
    truth = np.array([bits_of(item.known_zones) for item in items])
    given = np.array([bits_of(zones) for zones in labels.zones])
    clustered = labels.cluster_of >= 0
    majorities = [
        Counter(truth[labels.cluster_of == cluster].tolist()).most_common(1)[0][1]
        for cluster in np.unique(labels.cluster_of[clustered])
    ]
    return {
        "phrases": len(labels.phrases),
        "clusters": len(majorities),
        "ari": float(adjusted_rand_score(truth, labels.cluster_of)),
        "nmi": float(normalized_mutual_info_score(truth, labels.cluster_of)),
        "noise": float((~clustered).mean()),
        "purity": float(sum(majorities) / max(1, clustered.sum())),
        "exact_match": float((given == truth).mean()),
    }


def held_out(items: Sequence[Item], labels: PseudoLabels) -> dict[str, float]:
    """
    Predict the six bits of each phrase by a linear probe that learned from all other phrases.

    Returns:
        probe_bits: the share of right bits; probe_exact: the share of phrases whose six bits are right.
    """
    zones_of_phrase = {location_phrase(item.caption): item.known_zones for item in items}
    truth: NDArray[np.int64] = np.array(
        [zones_of_phrase[phrase] for phrase in labels.phrases], dtype=np.int64
    )
    probe = make_pipeline(StandardScaler(), RidgeClassifier())
    right = cross_val_predict(probe, labels.embeddings, truth, cv=LeaveOneOut()) == truth
    return {"probe_bits": float(right.mean()), "probe_exact": float(right.all(axis=1).mean())}


def random_like(encoder: TextEncoder, *, seed: int = 0) -> TextEncoder:
    """Give an encoder of the same shape and vocabulary with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TextEncoder(type(encoder.bert)(encoder.bert.config), encoder.tokenizer)
