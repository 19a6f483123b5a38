"""Which images stand in an epoch: normal radiographs more than once, of one patient only so many."""

from collections import defaultdict
from collections.abc import Sequence

import torch

from training.data import Item
from training.recipe import Recipe


def places_of_epoch(items: Sequence[Item], recipe: Recipe, epoch: int) -> list[int]:
    """
    Give the places in *items* that stand in *epoch*; as many in every epoch.

    Of the infected images of one patient at most `images_per_patient`, drawn anew in each epoch: 2,765 images of
    QaTa's train split are of 809 patients, up to 21 of one, and who is imaged that often is sicker than most.
    """
    of_patient: dict[str, list[int]] = defaultdict(list)
    places = []
    for place, item in enumerate(items):
        if item.mask is None:
            places += [place] * recipe.normals_repeat
        else:
            of_patient[item.patient].append(place)
    chance = torch.Generator().manual_seed(recipe.seed * 1_000 + epoch)
    for own in of_patient.values():
        places += _some_of(own, recipe.images_per_patient, chance)
    return sorted(places)


def _some_of(places: list[int], most: int | None, chance: torch.Generator) -> list[int]:
    if most is None or len(places) <= most:
        return places
    return [places[i] for i in torch.randperm(len(places), generator=chance)[:most].tolist()]
