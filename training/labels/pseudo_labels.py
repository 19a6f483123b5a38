"""
Location phrase -> text embedding -> HDBSCAN -> six zone labels (paper section 2.3).

Equal strings have equal embeddings, so every encoder, even a random one, finds the same phrases again. Whether a
clustering is good shows on held-out phrases: see `training.labels.quality`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hdbscan
import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.model.report_table import TextEncoder
from sgseg_dicom.zones import ZoneBits
from training.data import DataError, Item
from training.data.items import bits_of

MIN_CLUSTER_SIZE = 3
"""As in the published clustering script."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabels:
    """
    The result of the clustering of the train split.

    Attributes:
        phrases: the distinct location phrases.
        embeddings: float64 (P, width), one row for each phrase.
        cluster_of: int (N,), the cluster of each item; -1 is noise.
        zones: of each item; an item in the noise gets the zones of the nearest cluster.
    """

    phrases: tuple[str, ...]
    embeddings: NDArray[np.float64]
    cluster_of: NDArray[np.int64]
    zones: tuple[ZoneBits, ...]


def location_phrase(caption: str) -> str:
    """Give the last part of a caption: "... two infected areas, lower left lung." -> "lower left lung"."""
    return caption.rsplit(",", 1)[-1].strip().rstrip(".").strip().lower()


def embed(phrases: Sequence[str], encoder: TextEncoder) -> NDArray[np.float64]:
    """Embed phrases -> (P, width): the mean over their tokens, without padding."""
    states, present = encoder.states_and_mask(phrases)
    mean = (states * present).sum(dim=1) / present.sum(dim=1)
    embedded: NDArray[np.float64] = mean.double().numpy()
    return embedded


def pseudo_label(items: Sequence[Item], encoder: TextEncoder) -> PseudoLabels:
    """
    Cluster the location phrases of *items*; each cluster gets the zones that most of its captions name.

    Args:
        items: the infected images of the train split, and of no other split.
        encoder: of the phrases.

    Raises:
        DataError: an item has no caption, or there are fewer items than one cluster needs.
    """
    if missing := [item.name for item in items if not item.caption]:
        raise DataError(f"{len(missing)} items have no caption to cluster, for example {missing[0]}")
    if len(items) < MIN_CLUSTER_SIZE:
        raise DataError(f"{len(items)} items cannot be clustered; at least {MIN_CLUSTER_SIZE} are needed")
    phrase_of = [location_phrase(item.caption) for item in items]
    phrases = tuple(sorted(set(phrase_of)))
    embeddings = embed(phrases, encoder)
    row_of = {phrase: row for row, phrase in enumerate(phrases)}
    points = embeddings[[row_of[phrase] for phrase in phrase_of]]
    clusters = hdbscan.HDBSCAN(min_cluster_size=MIN_CLUSTER_SIZE).fit_predict(points).astype(np.int64)
    return PseudoLabels(
        phrases=phrases,
        embeddings=embeddings,
        cluster_of=clusters,
        zones=_zones_of_clusters(items, points, clusters),
    )


def write_labels(items: Sequence[Item], labels: PseudoLabels, path: Path) -> None:
    """Write {name: "010011"}, patient laterality, in the order of `sgseg_dicom.zones.ZONES`."""
    named = {item.name: bits_of(zones) for item, zones in zip(items, labels.zones, strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(named, indent=1) + "\n")


def with_labels(items: Sequence[Item], path: Path) -> list[Item]:
    """
    Give *items* the zones of a file of `write_labels`; normal radiographs still have no zones.

    Raises:
        DataError: the file is missing or not one of `write_labels`, or it has no label for an infected item.
    """
    try:
        labels: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}); name the file that `sgseg-train pseudo-label` wrote"
        ) from error
    if missing := [item.name for item in items if item.mask is not None and item.name not in labels]:
        raise DataError(
            f"{path} has no label for {len(missing)} items, for example {missing[0]}; label this split anew"
        )
    return [
        item if item.mask is None else replace(item, zones=tuple(bit == "1" for bit in labels[item.name]))  # type: ignore[arg-type]
        for item in items
    ]


def _zones_of_clusters(
    items: Sequence[Item], points: NDArray[np.float64], clusters: NDArray[np.int64]
) -> tuple[ZoneBits, ...]:
    known = [int(cluster) for cluster in np.unique(clusters) if cluster >= 0]
    if not known:
        raise DataError("every phrase is noise to the clustering; more items of the same phrases are needed")
    places = {cluster: np.flatnonzero(clusters == cluster) for cluster in known}
    centres = np.stack([points[places[cluster]].mean(axis=0) for cluster in known])
    # If two choices have equally many captions, the lower bits win: the order of the items does not matter.
    zones = {
        cluster: min(
            Counter(items[place].known_zones for place in places[cluster].tolist()).items(),
            key=lambda c: (-c[1], c[0]),
        )[0]
        for cluster in known
    }
    nearest = [known[int(np.linalg.norm(centres - point, axis=1).argmin())] for point in points]
    return tuple(zones[int(c) if c >= 0 else near] for c, near in zip(clusters, nearest, strict=True))
