"""The languages: right sides, counts and words for all 64 findings, read back; and wrong files named."""

import re
import tomllib

import pytest

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.findings.measure import measure
from sgseg_dicom.language.language import ENGLISH, PACKAGED, load_language
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.zones import REPORT_COUNT, ZONES, Laterality, Level, sentence_of, zones_at
from tests.support.predictions import ALGORITHM, both_lungs, read_built

NAMES = ("en", "es", "de")
FINDINGS = [zones_at(index) for index in range(REPORT_COUNT)]

# Written down here once more, and not taken from the files: they are what is tested.
SIDES = {
    "en": {Laterality.RIGHT: r"\bright\b", Laterality.LEFT: r"\bleft\b"},
    "es": {Laterality.RIGHT: r"\bderechos?\b", Laterality.LEFT: r"\bizquierdos?\b"},
    "de": {Laterality.RIGHT: r"\brechte[ns]?\b", Laterality.LEFT: r"\blinke[ns]?\b"},
}
LEVELS = {
    "en": {Level.UPPER: "upper", Level.MIDDLE: "middle", Level.LOWER: "lower"},
    "es": {Level.UPPER: "superior", Level.MIDDLE: "medio", Level.LOWER: "inferior"},
    "de": {Level.UPPER: "ober", Level.MIDDLE: "mittel", Level.LOWER: "unter"},
}
COUNTS = {
    "en": ("one", "two", "three", "four", "five", "six"),
    "es": ("un", "dos", "tres", "cuatro", "cinco", "seis"),
    "de": ("ein", "zwei", "drei", "vier", "fünf", "sechs"),
}
SPREADS = {
    "en": ("unilateral", "bilateral"),
    "es": ("unilateral", "bilateral"),
    "de": ("einseitige", "beidseitige"),
}


def read_back(name, sentence):
    """Read the zones of a sentence: each level belongs to the side that its own lung phrase names."""
    text = sentence.lower()
    before, after = SIDES[name][Laterality.LEFT], SIDES[name][Laterality.RIGHT]
    spans = sorted(
        (found.start(), found.end(), side)
        for side, pattern in ((Laterality.LEFT, before), (Laterality.RIGHT, after))
        for found in re.finditer(pattern, text)
    )
    said = set()
    for place, (start, end, side) in enumerate(spans):
        if name == "de":  # the side comes first
            phrase = text[end : spans[place + 1][0] if place + 1 < len(spans) else len(text)]
        else:
            phrase = text[spans[place - 1][1] if place else 0 : start]
        said |= {(side, level) for level, word in LEVELS[name].items() if word in phrase}
    return tuple((zone.laterality, zone.level) in said for zone in ZONES)


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_reads_back(name):
    """
    All 64: distinct, the patient's sides and the levels as judged, the count and the spread in words.
    """
    language = load_language(name)
    sentences = [language.sentence(zones) for zones in FINDINGS]

    assert len(set(sentences)) == REPORT_COUNT
    assert [read_back(name, sentence) for sentence in sentences] == FINDINGS
    for zones, sentence in zip(FINDINGS[1:], sentences[1:], strict=True):
        words = sentence.lower().replace(",", "").split()
        assert COUNTS[name][sum(zones) - 1] in words
        assert SPREADS[name][any(zones[:3]) and any(zones[3:])] in words


def test_english_is_the_canonical_sentence():
    """
    What readers see in English is what `zones_of` reads.
    """
    assert [ENGLISH.sentence(zones) for zones in FINDINGS] == [sentence_of(zones) for zones in FINDINGS]


@pytest.mark.parametrize(
    ("name", "zones", "expected"),
    [
        ("es", (), "No se encontraron signos de infección; no se valoró nada más."),
        (
            "es",
            ("right upper", "right middle", "left lower"),
            "Infección pulmonar bilateral, tres áreas infectadas, campos pulmonares superior y medio derechos "
            "y campo pulmonar inferior izquierdo.",
        ),
        (
            "es",
            ("left middle", "left lower"),
            "Infección pulmonar unilateral, dos áreas infectadas, campos pulmonares medio e inferior izquierdos.",
        ),
        ("de", (), "Keine Zeichen einer Infektion gefunden; sonst wurde nichts beurteilt."),
        (
            "de",
            ("right upper", "right middle", "left lower"),
            "Beidseitige pulmonale Infektion, drei infizierte Areale, rechtes Ober- und Mittelfeld und linkes "
            "Unterfeld.",
        ),
        ("de", ("left middle",), "Einseitige pulmonale Infektion, ein infiziertes Areal, linkes Mittelfeld."),
    ],
)
def test_a_sentence_is_grammatical(name, zones, expected):
    """
    Agreement, elision and conjunctions as people write them.
    """
    assert load_language(name).sentence([zone.name in zones for zone in ZONES]) == expected


@pytest.mark.parametrize("plain_ascii", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_text_about_a_lung_names_its_side(name, plain_ascii):
    """
    Region, zones, extent and contradictions: the patient's side, never the other one.
    """
    language = load_language(name, plain_ascii=plain_ascii)
    radiograph = read_built()
    regions = measure(both_lungs(), radiograph).regions

    for side, region in zip(Laterality, regions, strict=True):
        other = Laterality.LEFT if side is Laterality.RIGHT else Laterality.RIGHT
        texts = [
            language.region_name(side),
            language.region_name(side, 2),
            language.region_extent(region, radiograph),
            language.disagreement(side),
            language.excess(side),
            *(language.zone(zone) for zone in ZONES if zone.laterality is side),
        ]
        for text in texts:
            assert re.search(SIDES[name][side], text.lower())
            assert not re.search(SIDES[name][other], text.lower())


@pytest.mark.parametrize("name", NAMES)
def test_plain_ascii_is_ascii_and_as_distinct(name):
    """
    Umlauts are spelt out, accents are left out, and no two findings become one; titles still fit.
    """
    language = load_language(name, plain_ascii=True)
    sentences = {language.sentence(zones) for zones in FINDINGS}

    assert len(sentences) == REPORT_COUNT
    assert all(text.isascii() for text in (*sentences, language.warning(ALGORITHM), language.limits))
    assert all(len(language.title(kind)) <= 64 and language.title(kind).isascii() for kind in Kind)


def test_german_umlauts_and_spanish_accents_are_spelt_as_people_do():
    """
    "ae" for the umlaut, the bare letter for the accent.
    """
    german, spanish = (load_language(name, plain_ascii=True) for name in ("de", "es"))

    assert "fuenf infizierte Areale" in german.sentence([True] * 5 + [False])
    assert spanish.sentence([False] * 6) == "No se encontraron signos de infeccion; no se valoro nada mas."


@pytest.mark.parametrize("name", NAMES)
def test_a_draft_says_so_in_every_title(name):
    """
    Series descriptions are what a worklist shows.
    """
    language = load_language(name)
    word = {"en": "DRAFT", "es": "BORRADOR", "de": "ENTWURF"}[name]

    assert all(word in language.title(kind) for kind in Kind)
    assert ALGORITHM.name in language.warning(ALGORITHM)
    assert ALGORITHM.version in language.warning(ALGORITHM)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plain_ascii", [False, True])
def test_the_answers_title_says_that_nothing_was_judged(name, plain_ascii):
    """
    A worklist shows it beside drafts, for which it must not be taken.
    """
    title = load_language(name, plain_ascii=plain_ascii).not_judged_title

    assert title.startswith({"en": "NOT JUDGED", "es": "NO VALORADO", "de": "NICHT BEURTEILT"}[name])
    assert len(title) <= 64


def changed(folder, old, new):
    """Write the English file with one change, as a site's own."""
    text = (PACKAGED / "en.toml").read_text("utf-8")
    assert old in text
    file = folder / "own.toml"
    own = text.replace(old, new, 1).replace('code = "en"', 'code = "en-x-own"', 1)
    file.write_text(own, "utf-8")
    return str(file)


def test_a_site_adds_its_language_by_a_file(tmp_path):
    """
    A copy with other words is a language.
    """
    file = changed(
        tmp_path, 'none = "No signs of infection found; nothing else was judged."', 'none = "Nullus morbus."'
    )

    assert load_language(file).sentence([False] * 6) == "Nullus morbus."


def test_a_file_under_a_packaged_code_is_refused(tmp_path):
    """
    The code is part of the UIDs: two wordings under one code would be two objects under one UID.
    """
    file = tmp_path / "own.toml"
    file.write_text((PACKAGED / "de.toml").read_text("utf-8"), "utf-8")

    with pytest.raises(ConfigError, match="de-x-site"):
        load_language(str(file))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('answer = "NOT', 'answers = "NOT', "[title] has no answer; it must be one line of text"),
        ('answer = "NOT', f'answer = "{"x" * 60} NOT', "at most 64 characters"),
        ('limits = "Only', f'limits = "{"x" * 700} Only', "characters together; at most 1024 go out"),
        ('limits = "Only', 'limit = "Only', "[remark] has no limits; it must be one line of text"),
        (
            "[count]",
            "[count]\nseven = 'x'",
            "[count] has unknown keys ['seven']; known: ['five', 'four', 'one'",
        ),
        ("[answer]", "[answers]", "the file has unknown sections ['answers']"),
        ("{count}, {lung}", "{count}, {lungs}", "one line of text without backslash, with {count}, {lung}"),
        ("{count}, {lung}", "{count}", "[sentence] one_lung is 'Unilateral pulmonary infection, {count}.'"),
        (
            'none = "No',
            'none = "{No',
            "[sentence] none is '{No signs of infection found; nothing else was judged.'",
        ),
        ("not verified; not", "not\\\\verified; not", "[remark] warning is"),
        ('seg = "Infected', 'seg = "Most certainly infected', "at most 64 characters"),
        ('decimal_mark = "."', 'decimal_mark = "x"', 'the file decimal_mark is \'x\'; it must be "." or ","'),
        ('code = "en"', 'code = "English!"', "it must be a tag of RFC 5646"),
        ('other = "the', 'others = "the', '[reason] must have the key "other"'),
        (
            'lower = "lower right lung"',
            'lower = "lower left lung"',
            "[right_lung] lower is 'lower left lung'; it must contain 'right' ([right] mark) and not 'left'",
        ),
        (
            'two = "two infected areas"',
            'two = "one infected area"',
            "[count] two is 'one infected area', as one",
        ),
        ('lower = "lower right lung"', 'lower = "upper right lung"', "is said of"),
        (
            'undetermined = "undetermined"',
            'undetermined = "no signs of infection"',
            "[judgement] undetermined is 'no signs of infection', as absent is",
        ),
        (
            'middle = "Right middle zone"',
            'middle = "Right upper zone"',
            "[right_zone] middle is 'Right upper zone', as upper is",
        ),
        (
            'failed = "The',
            'failed = "No signs of infection found. The',
            "which says [sentence] none; say that it was not judged",
        ),
        (
            'child = "the',
            'child = "no signs of infection found; the',
            "which says [sentence] none; say that it was not judged",
        ),
        (
            'one_lung = "Unilateral',
            'one_lung = "Right-sided',
            "[sentence] one_lung is 'Right-sided pulmonary infection, {count}, {lung}.'; it is said of either lung",
        ),
        ('one = "one infected area"', 'one = "one area left"', "it is said of either lung: take out 'left'"),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_what_would_be_right(tmp_path, old, new, expected):
    """
    A missing or unknown key, a wrong placeholder, a mixed-up side, two findings that read the same.
    """
    file = changed(tmp_path, old, new)

    with pytest.raises(ConfigError) as caught:
        load_language(file)

    assert file in str(caught.value)
    assert expected in str(caught.value)


def test_a_letter_without_a_spelling_is_named(tmp_path):
    """
    Nothing is written as a question mark.
    """
    file = changed(tmp_path, 'failed = "The', 'failed = "Нет. The')

    with pytest.raises(ConfigError, match=r"under \[ascii\]"):
        load_language(file, plain_ascii=True)


@pytest.mark.parametrize("name", ["fr", "", "de.txt", "missing.toml"])
def test_a_language_that_is_not_there_is_named(name):
    """
    With the languages there are, or the file that cannot be read.
    """
    with pytest.raises(ConfigError, match=r"give one of \['de', 'en', 'es'\]|missing.toml cannot be read"):
        load_language(name)


def test_all_languages_explain_the_same_reasons():
    """
    A reason that one language knows is explained in all.
    """
    reasons = {
        path.stem: set(tomllib.loads(path.read_text("utf-8"))["reason"]) for path in PACKAGED.glob("*.toml")
    }

    assert set(reasons) == set(NAMES)
    assert reasons["es"] == reasons["de"] == reasons["en"]
    assert ENGLISH.not_judged("child") != ENGLISH.not_judged("something new") == ENGLISH.not_judged("other")


def test_a_language_file_of_before_says_the_new_words_of_pictures_in_english(tmp_path):
    """
    A site's own file has neither the section [picture] nor the lungs' names; its start goes on.
    """
    text = (PACKAGED / "de.toml").read_text("utf-8").replace('code = "de"', 'code = "de-x-own"', 1)
    before = re.sub(r"^\[picture\]\n(?:\w+ = .*\n)+\n", "", text, flags=re.MULTILINE)
    before = re.sub(r"^lung = .*\n", "", before, flags=re.MULTILINE)
    file = tmp_path / "own.toml"
    file.write_text(before, "utf-8")
    assert len(text.splitlines()) - len(before.splitlines()) == 9

    language = load_language(str(file))

    assert language.picture == ENGLISH.picture
    assert [language.lung(side) for side in Laterality] == ["Right lung", "Left lung"]
    assert language.sentence([False] * 6).startswith("Keine Zeichen")


@pytest.mark.parametrize("name", NAMES)
def test_every_language_has_the_words_of_pictures(name):
    """
    Its own, and each another.
    """
    language = load_language(name)
    words = [*language.picture, *map(language.lung, Laterality)]

    assert len(set(words)) == len(words)
    assert (language.picture == ENGLISH.picture) == (name == "en")
