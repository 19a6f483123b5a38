"""Which images an epoch has: normal radiographs may be repeated, and a patient has a limited number."""

from collections import defaultdict
from collections.abc import Sequence

import torch

from training.data import Item
from training.recipe import Recipe


def places_of_epoch(items: Sequence[Item], recipe: Recipe, epoch: int) -> list[int]:
    """
    Give the places in *items* of the images of *epoch*. Every epoch has the same number of them.

    At most `images_per_patient` infected images of one patient are drawn, anew in each epoch. In QaTa's train split
    2,765 images are of 809 patients, up to 21 of one, and patients with so many images are sicker than most.
    """
    of_patient: dict[str, list[int]] = defaultdict(list)
    places = []
    for place, item in enumerate(items):
        if item.mask is None:
            places += [place] * recipe.normals_repeat
        else:
            of_patient[item.patient].append(place)
    rng = torch.Generator().manual_seed(recipe.seed * 1_000 + epoch)
    for own in of_patient.values():
        places += _some_of(own, recipe.images_per_patient, rng)
    return sorted(places)


def _some_of(places: list[int], most: int | None, rng: torch.Generator) -> list[int]:
    if most is None or len(places) <= most:
        return places
    return [places[i] for i in torch.randperm(len(places), generator=rng)[:most].tolist()]
