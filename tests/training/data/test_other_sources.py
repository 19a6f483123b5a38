"""What is known of films of other hospitals, and which of them may be learned from."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.support.data_folder import DATA
from tests.training.other_sources import small_other_sources
from training.data import DataError
from training.data.brixia import read_brixia
from training.data.film import Group
from training.data.licences import is_for_research_only, may_be_learned_from
from training.data.other_sources import lungs_of, read_other_sources

OTHER = DATA / "other"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_other_sources(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def films(folder):
    return {film.item.name: film for film in read_other_sources(folder)}


def test_the_folder_and_the_table_say_what_a_film_shows(films):
    """Oil is no infection, "todo" is no label, a patient of twelve is a child whatever the folder says."""
    groups = {name.split("__")[1]: film.group for name, film in films.items() if film.source == "cohen"}

    assert groups == {
        **dict.fromkeys(("a", "b", "seen"), Group.COVID),
        **{"twelve": Group.CHILD, "free": Group.NORMAL, "oil": Group.OPACITY, "germ": Group.PNEUMONIA},
        **{"todo": Group.UNKNOWN, "side": Group.LATERAL},
    }
    assert films["jsrt__2"].group is Group.NODULE
    assert films["kermany-viral__person3_virus_1"].source == "kermany"


def test_what_the_table_says_of_a_film(films):
    """Sex, age, view, place; whether QaTa-COV19's train has it."""
    film = films["cohen__a"]

    assert (film.sex, film.age, film.view, film.country) == ("F", 55.0, "PA", "Italy")
    assert [name for name, one in films.items() if one.same_film_in_qata_train] == ["cohen__seen"]
    assert films["cohen__free"].age is None


def test_only_what_is_free_of_infection_has_zones(films):
    """Nobody named the zones of the others: False would be a wrong label."""
    assert {film.item.zones for film in films.values() if film.group.is_free} == {(False,) * 6}
    assert {film.item.zones for film in films.values() if not film.group.is_free} == {None}


def test_films_of_a_patient_stay_together(films):
    """For parts that share no patient."""
    assert films["nih__00000007_000"].patient == films["nih__00000007_001"].patient == "nih__00000007"
    assert films["kermany-viral__person3_virus_1"].patient == "kermany-viral__person3"
    assert films["jsrt__1"].patient != films["jsrt__2"].patient


@pytest.mark.parametrize(
    ("licence", "learned", "research"),
    [
        *(("CC BY-NC-ND 4.0", False, True), ("CC BY-ND", False, False), ("cc by-nc-nd", False, True)),
        *(("CC BY-NC-SA 4.0", True, True), ("CC BY 4.0", True, False), ("", True, True)),
        ("free for research, with credit", True, True),
        ("listed as authorized for everyone", True, False),
    ],
)
def test_no_derivatives_is_never_learned_from(films, licence, learned, research):
    """ND alone forbids; NC, and a licence that nobody stated, make weights for research."""
    film = replace(films["cohen__a"], licence=licence)

    assert (may_be_learned_from(film), is_for_research_only(film)) == (learned, research)


def test_sources_have_their_owners_licence(films):
    """As the data's README states them."""
    assert films["viral__1"].licence == "CC BY 4.0"
    assert films["nih__00000007_000"].licence == "free for research, with credit"


def test_lung_masks_are_found_by_name(films):
    """Not every film has one."""
    assert lungs_of(films["jsrt__1"]).name == "jsrt__1.png"
    assert lungs_of(films["jsrt__2"]) is None


def test_a_film_without_its_row_is_refused(tmp_path):
    """Its licence is unknown; the same without the whole table, or a column of it."""
    folder = small_other_sources(tmp_path)
    table = (folder / "cohen.csv").read_text()
    (folder / "cohen.csv").write_text(table.replace("cohen__germ", "cohen__other"))
    with pytest.raises(DataError, match=r"cohen__germ.* is not in cohen\.csv"):
        read_other_sources(folder)
    (folder / "cohen.csv").write_text(table.replace("license", "licence"))
    with pytest.raises(DataError, match=r"lacks the columns \['license'\]"):
        read_other_sources(folder)
    (folder / "cohen.csv").unlink()
    with pytest.raises(DataError, match="is missing"):
        read_other_sources(folder)


def test_a_folder_without_films_is_named(tmp_path):
    """With the folders that there should be."""
    with pytest.raises(DataError, match=r"has no films .* normal, nodule, covid"):
        read_other_sources(tmp_path)


def test_brixia_scores_are_the_patients_zones(folder):
    """Right upper, middle, lower, then left."""
    scores = read_brixia(folder)["cohen__a"]

    assert (scores.senior, scores.junior) == ((0, 1, 3, 0, 0, 2), (0, 1, 3, 0, 1, 2))


def test_a_folder_without_brixia_has_no_scores_and_a_wrong_table_is_named(tmp_path):
    """The scores are an extra; a table that cannot be read is not."""
    assert read_brixia(tmp_path) == {}
    (tmp_path / "brixia.csv").write_text("file,senior_right_upper\na.png,x\n")
    with pytest.raises(DataError, match=r"brixia\.csv is no table"):
        read_brixia(tmp_path)


@pytest.mark.skipif(not OTHER.is_dir(), reason=f"no films of other hospitals in {OTHER}; name SGSEG_DATA")
def test_the_real_folders_have_what_their_readme_says():
    """Counts of the README's table; Cohen's "other" and a patient of twelve go by `cohen.csv`."""
    films = read_other_sources(OTHER)

    folders = Counter((film.item.image.parent.name, film.source) for film in films)
    assert folders == {
        **{("normal", "jsrt"): 65, ("normal", "nih"): 331, ("nodule", "jsrt"): 106},
        **{("pneumonia", "nih"): 344, ("covid", "cohen"): 363, ("other", "cohen"): 95},
        **{("lateral", "cohen"): 36, ("child", "kermany"): 273, ("child", "viral"): 300},
    }
    cohen = Counter(film.group for film in films if film.source == "cohen")
    assert cohen == {
        **{Group.COVID: 362, Group.PNEUMONIA: 46, Group.LATERAL: 36, Group.UNKNOWN: 28},
        **{Group.NORMAL: 18, Group.OPACITY: 3, Group.CHILD: 1},
    }
    assert sum(not may_be_learned_from(film) for film in films) == 32
    assert sum(film.same_film_in_qata_train for film in films) == 173
    scored = read_brixia(OTHER)
    assert len(scored) == 104
    assert scored.keys() <= {film.item.name for film in films}
