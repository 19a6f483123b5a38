"""Which films the heads learn from, and as what: of a drawn data set."""

import numpy as np
import pytest

from tests.training.builders import draw, small_data_set
from tests.training.other_sources import small_other_sources
from training.heads import films as module
from training.heads.films import CHILDREN, WEAK, judged_films, look_views, lung_films

ND = "cohen__b"
"""A film whose licence forbids derivatives."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    other = small_other_sources(folder / "other")
    draw(other / "lungs" / f"{ND}.png", np.ones((96, 120)))
    normals = folder / "normals"
    for split, numbers in (("train", (3, 501, 502, 503, 504)), ("valid", (4, 601, 602))):
        for number in numbers:
            draw(normals / split / f"normal_{number}.png", np.full((224, 224), 50))
    return small_data_set(folder / "qata"), normals, other


@pytest.fixture(scope="module")
def judged(folders):
    return {film.item.name: film for film in judged_films(*folders)}


@pytest.fixture(scope="module")
def views(folders):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WRONG_WAY", {"jsrt__1"})
        return look_views(*folders)


def of(views, name):
    return [view for view in views if view.item.name == name]


def test_lungs_are_learned_where_they_are_drawn_and_may_be(folders):
    """An ND film has drawn lungs too, and is left out."""
    (film,) = lung_films(folders[2])

    assert (film.item.name, film.source, film.lungs.name) == ("jsrt__1", "jsrt", "jsrt__1.png")


def test_what_shows_an_infection_is_said_by_its_group(judged):
    """Oil and "todo" are neither: they are measured on alone."""
    infected = {
        name: film.infected for name, film in judged.items() if film.source in ("cohen", "nih", "jsrt")
    }

    assert infected == {
        **dict.fromkeys(("cohen__a", ND, "cohen__seen", "cohen__germ", "nih__00000009_003"), True),
        **dict.fromkeys(
            ("cohen__free", "jsrt__1", "jsrt__2", "nih__00000007_000", "nih__00000007_001"), False
        ),
        **dict.fromkeys(("cohen__oil", "cohen__todo"), None),
    }


def test_nd_is_judged_and_not_learned_from(judged):
    """It alone here."""
    assert [name for name, film in judged.items() if not film.learned] == [ND]


def test_a_weak_label_weighs_little(judged):
    """NIH's pneumonia; its normals count in full."""
    assert {name: film.weight for name, film in judged.items() if film.weight != 1} == {
        "nih__00000009_003": WEAK
    }


def test_qata_gives_its_valid_split_alone(judged):
    """The encoder knows train by heart. Normals are free of infection; no child, no lateral is judged."""
    qata = [film for film in judged.values() if film.source == "qata"]
    normals = [film for film in judged.values() if film.source == "normals"]

    assert len(qata) == 4
    assert all(film.infected and film.item.name.endswith("_valid") for film in qata)
    assert {film.patient for film in qata} == {f"sub-s0000{number}" for number in range(4)}
    assert {film.item.name for film in normals} == {
        *("normal_601", "normal_602", "normal_501", "normal_504")  # valid, and every third of train
    }
    assert not any(film.infected for film in normals)
    assert not {"normal_3", "cohen__twelve", "cohen__side", "viral__1"} & set(judged)


def test_every_adult_is_seen_both_ways_round(views):
    """As it is and mirrored, of which two thirds are shown changed once more."""
    adults = [view for view in views if view.kind == "adult"]
    plain = [view for view in adults if not view.changed]
    changed = [view for view in adults if view.changed]

    for view in plain:
        assert sorted(one.mirrored for one in of(plain, view.item.name)) == [False, True]
    assert len(changed) == pytest.approx(len(plain) / 2 * 2 / 3, abs=1)
    assert {view.mirrored for view in changed} == {True, False}


def test_nd_is_not_learned_from_in_any_view(views):
    """Mirrored or changed it is derived all the more."""
    assert not any(view.learned for view in of(views, ND))
    assert of(views, ND)
    assert {view.item.name for view in views if not view.learned} == {ND}


def test_a_film_that_lies_the_wrong_way_is_so_in_every_view(views):
    """Mirrored it would be right, but nobody looked at that."""
    assert {view.item.name for view in views if not view.right_way} == {"jsrt__1"}
    assert not any(view.right_way for view in of(views, "jsrt__1"))


def test_the_few_laterals_are_shown_often(views):
    """Once as it is, and changed."""
    (plain,) = (view for view in of(views, "cohen__side") if not view.changed)
    changed = [view for view in of(views, "cohen__side") if view.changed]

    assert plain.kind == "lateral"
    assert len(changed) == 12
    assert {view.mirrored for view in changed} == {True, False}


def test_all_children_are_of_one_source(views):
    """Under whichever name they came: or a hospital that is left out would be learned from by another name."""
    children = [view for view in views if view.kind == "child"]

    assert {view.source for view in children} == {CHILDREN}
    assert {view.item.name for view in children if not view.changed} == {
        *("kermany-viral__person3_virus_1", "kermany-normal__IM-1", "viral__1", "cohen__twelve"),
        *("normal_3", "normal_4"),
    }
    assert not any(view.mirrored for view in children)
