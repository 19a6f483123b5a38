"""
Features that take minutes to make, kept in files: a run that was stopped goes on, and a second one asks no encoder.

A folder belongs to one list of films and one set of weights, and is named for both: other weights, or other films,
have a folder of their own. Nothing is thrown away here; folders of weights that nobody needs may be deleted.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sgseg_dicom.release.manifest import Manifest
from training.data import Item, digest_of
from training.progress import progress

_DIGITS = 12
"""Hexadecimal digits of a digest in a folder's name."""

Arrays = Mapping[str, Any]  # not NDArray: `np.savez` has a flag among its keywords
"""NumPy arrays by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureCache:
    """
    A folder for features of one set of weights.

    Attributes:
        folder: the parent of all folders of features.
        weights: digest of the weights, and of the passes that are made with them (`digest_of_passes`).
    """

    folder: Path
    weights: str

    def of(self, what: str, items: Sequence[Item], ways: Sequence[object] = ()) -> "FilmCache":
        """
        Give the folder for *what* is made of these films, and make it.

        Args:
            what: a word for the folder's name.
            items: of the films, in the order in which they are kept.
            ways: beside the films, what else decides the features; its `repr` is taken.

        Raises:
            OSError: a film cannot be read.
        """
        films = hashlib.sha256(digest_of(items).encode())
        films.update(repr(([item.name for item in items], list(ways))).encode())
        folder = self.folder / f"{what}-{self.weights[:_DIGITS]}-{films.hexdigest()[:_DIGITS]}"
        folder.mkdir(parents=True, exist_ok=True)
        return FilmCache(folder)


@dataclass(frozen=True, slots=True)
class FilmCache:
    """A folder for what was made of one list of films by one set of weights."""

    folder: Path

    def pieces(
        self, count: int, in_a_piece: int, make: Callable[[int, int], Arrays], *, title: str
    ) -> dict[str, NDArray[Any]]:
        """
        Make arrays piece by piece, a file each, and join them along their first axis.

        Args:
            count: number of films, at least one.
            in_a_piece: number of films in a file.
            make: gives the arrays of the films from a first place up to, not with, a last one.
            title: of the progress bar.
        """
        pieces: list[dict[str, NDArray[Any]]] = []
        for start in progress(range(0, count, in_a_piece), title):
            path = self.folder / f"{start // in_a_piece:03d}.npz"
            if not path.is_file():
                part = path.with_suffix(".part.npz")
                np.savez(part, **make(start, min(start + in_a_piece, count)))
                part.rename(path)
            with np.load(path) as stored:
                pieces.append(dict(stored))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def tensors(self, name: str, make: Callable[[], Mapping[str, Any]], *, mapped: bool = False) -> Any:
        """
        Make tensors once; they are kept in the file *name*.

        Args:
            name: of the file, without its ending.
            make: gives the tensors by name.
            mapped: whether they stay on disk until they are asked for.
        """
        path = self.folder / f"{name}.pt"
        if not path.is_file():
            part = path.with_suffix(".part")
            torch.save(make(), part)
            part.rename(path)
        return torch.load(path, mmap=mapped)


def digest_of_passes(manifest: Manifest) -> str:
    """Give the sha256 over the weights and the passes made with them; limits and temperatures change no feature."""
    told = f"{manifest.sha256}|{manifest.members}|{manifest.test_time_flip}|{manifest.test_time_sizes}"
    return hashlib.sha256(told.encode()).hexdigest()
