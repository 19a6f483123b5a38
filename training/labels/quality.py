"""
How good are pseudo-labels? Against the grammar's, and on phrases that the probe never saw.

Equal strings embed equally, so a clustering finds the phrases again whatever the encoder, a random one included:
agreement alone proves nothing. Whether an embedding MEANS the zones shows where a phrase is held out, beside what
a randomly initialised encoder of the same shape gets (knowledge of the method).
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
    Measure *labels* of *items*, and those that a random encoder would have given.

    Returns:
        images, then `encoder` and `random_encoder`, each with what `agreement` and `held_out` give.
    """
    by_chance = pseudo_label(items, random_like(encoder))
    return {
        "images": len(items),
        "encoder": agreement(items, labels) | held_out(items, labels),
        "random_encoder": agreement(items, by_chance) | held_out(items, by_chance),
    }


def agreement(items: Sequence[Item], labels: PseudoLabels) -> dict[str, float]:
    """
    Compare clusters and labels with the grammar's zones.

    Returns:
        phrases and clusters (counts); ari and nmi of the clusters, noise being one of them; noise, the share of
        images in no cluster; purity, the share of the others whose cluster mostly has their zones; exact_match,
        the share of images whose six bits are the grammar's.
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
    Predict the six bits of each phrase by a linear probe that learned from all the other phrases.

    Returns:
        probe_bits, the share of bits that are right, and probe_exact, of phrases whose six are.
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
