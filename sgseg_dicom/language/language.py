"""The texts of results in the reader's language. Pure but for the language file, which is read at first use."""

import math
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from sgseg_dicom.comparison.compare import Change, LungChange
from sgseg_dicom.comparison.films import Moment
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.language import schema as grammar
from sgseg_dicom.language.schema import LONG_STRING, OTHER_REASON, SHORT_TEXT, Grammar, Side, doubts, problems
from sgseg_dicom.records import Algorithm, Finding, LungRegion, Radiograph
from sgseg_dicom.result_kinds import Kind
from sgseg_dicom.zones import REPORT_COUNT, ZONES, Laterality, Zone, zones_at

PACKAGED = Path(__file__).parent
_SERIES_WORD = {
    Kind.SEG: "mask",
    Kind.SR: "report",
    Kind.TEXT: "words",
    Kind.CAPTURE: "picture",
    Kind.STATE: "outlines",
}
"""The keys of [title] with the words for the objects."""
_COUNTS = ("one", "two", "three", "four", "five", "six")


class PictureWords(NamedTuple):
    """
    Short words beside the film.

    Attributes:
        marked_share: heads the shares of the lungs.
        both_lungs: of the row for both.
        nothing_marked: stands for the share of a lung without a region.
        share_unknown: stands for the share of a region whose lung was not found.
        severity: of the row for the score, with its range and its source.
    """

    marked_share: str
    both_lungs: str
    nothing_marked: str
    share_unknown: str
    severity: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """
    The words of one language.

    Attributes:
        path: of the language file, which is read once, when the first word is needed.
        plain_ascii: write everything in ASCII, for readers that can show nothing else.
    """

    path: Path
    plain_ascii: bool = False

    @property
    def code(self) -> str:
        """The language's tag (RFC 5646), for example "de"."""
        return self._grammar.code

    @property
    def english_name(self) -> str:
        """The language's name in English, the meaning of its code."""
        return self._grammar.english_name

    @property
    def form(self) -> str:
        """What sets results in this language apart, for their UIDs: "" for English, else for example " de"."""
        if self.path == ENGLISH.path:
            return ""
        return f" {self.code} ascii" if self.plain_ascii else f" {self.code}"

    def sentence(self, zones: Sequence[bool]) -> str:
        """Write the location report of *zones*, in the order of ZONES (the patient's sides)."""
        template = self._grammar.sentence
        lungs = {side: phrase for side in Laterality if (phrase := self._lung(zones, side))}
        if not lungs:
            return self._written(template.none)
        count = getattr(self._grammar.count, _COUNTS[sum(map(bool, zones)) - 1])
        if len(lungs) == 1:
            return self._written(template.one_lung, count=count, lung=next(iter(lungs.values())))
        right, left = lungs[Laterality.RIGHT], lungs[Laterality.LEFT]
        return self._written(template.both_lungs, count=count, right=right, left=left)

    def zone(self, zone: Zone) -> str:
        """Name a zone, for example "right upper zone"."""
        return self._written(getattr(self._table("zone", zone.laterality), zone.level.value))

    def zone_statement(self, zone: Zone, judgement: str) -> str:
        """Say that a zone is "present" (infected), "absent" or "undetermined"."""
        words = self._grammar.judgement
        return self._written(words.statement, zone=self.zone(zone), judgement=getattr(words, judgement))

    def region_name(self, side: Laterality, part: int = 1) -> str:
        """Name a lung's region, for example "Infected region, right lung"; further parts by their number."""
        name = self._written(self._side(side).region)
        return self._written(self._grammar.region.part, region=name, number=part) if part > 1 else name

    def region_extent(self, region: LungRegion, radiograph: Radiograph) -> str:
        """Say how large a region is: its share of the image, and square millimetres with their plane."""
        words = self._grammar.region
        size = {"region": self.region_name(region.laterality), "percent": self.percent(region.area_share)}
        if region.area_mm2 is None:
            return self._written(words.share, **size)
        template = (
            words.share_and_area_at_detector if radiograph.spacing_at_detector else words.share_and_area
        )
        return self._written(template, area=self._number(region.area_mm2, decimals=0), **size)

    def lung_extents(self, finding: Finding) -> list[str]:
        """
        Say which share of each marked lung, and of both, is marked, and the severity score with its definition.

        Of a lung that was not found, the share of the image.

        Nothing where nothing is marked: a score of 0 would read as a judgement of the lungs. No score where one of
        the lungs was not found, or sentence and mask disagree about one.
        """
        marked = {region.laterality for region in finding.regions}
        texts = [self._share(side, share) for side, share in finding.lung_shares.items() if side in marked]
        texts += [
            self._share_of_image(region)
            for region in finding.regions
            if region.laterality not in finding.lung_shares
        ]
        if marked and finding.share_of_both is not None:
            texts.append(self._share_of_both(finding.share_of_both))
        if marked and finding.severity is not None:
            texts.append(self._severity(*finding.severity))
        return texts

    def comparison(self, finding: Finding) -> list[str]:
        """Say how each lung differs from the earlier film, and what the limit is; nothing without a comparison."""
        compared = finding.comparison
        if compared is None:
            return []
        day = written_day(compared.prior.taken, beside=compared.taken)
        return [*(self._change(one, day) for one in compared.lungs), self._of_region("about_comparison")]

    def percent(self, share: float) -> str:
        """Write a share (0 to 1) in percent with one decimal, without the sign; more where that would say 0.0."""
        return self._number(100 * share, decimals=1)

    def _number(self, number: float, *, decimals: int) -> str:
        written = f"{number:.{decimals}f}"
        if number > 0 and not float(written):  # what is marked is never nothing
            written = f"{number:.{-math.floor(math.log10(number))}f}"
        return written.replace(".", self._grammar.decimal_mark)

    @property
    def picture(self) -> PictureWords:
        """Give the short words beside the film."""
        mine, english = self._grammar.picture, _english().picture
        return PictureWords(
            *(
                self._written(getattr(mine, name) or getattr(english, name) or "")
                for name in PictureWords._fields
            )
        )

    def lung(self, side: Laterality) -> str:
        """Name a lung, for example "Right lung"."""
        return self._written(self._side(side).lung or _side_of(_english(), side).lung or "")

    @property
    def picture_texts(self) -> list[str]:
        """All that only pictures say, with the words for zones that are undetermined."""
        zones = [self.zone_statement(zone, "undetermined") for zone in ZONES]
        return [*self.picture, *map(self.lung, Laterality), *zones]

    @property
    def whole_image(self) -> str:
        """Name what a statement is about that concerns no region."""
        return self._written(self._grammar.region.whole_image)

    @property
    def draft(self) -> str:
        """Say "draft, not for diagnosis" as short as a label."""
        return self._written(self._grammar.remark.draft)

    def warning(self, algorithm: Algorithm) -> str:
        """Say that this is a draft, whose, and what it is not for."""
        return self._written(
            self._grammar.remark.warning, algorithm=algorithm.name, version=algorithm.version
        )

    @property
    def limits(self) -> str:
        """Say what the model detects, and that nothing else was judged."""
        return self._written(self._grammar.remark.limits)

    def disagreement(self, side: Laterality) -> str:
        """Say that the sentence and the outlines contradict each other about a lung."""
        return self._written(self._side(side).disagreement)

    def doubts(self, finding: Finding) -> list[str]:
        """Say of each lung what sentence and marked region contradict each other in; and what was dropped."""
        texts = []
        for side in Laterality:
            if finding.disagrees_on(side):
                texts.append(self.disagreement(side))
            elif finding.lags_behind_sentence(side):
                texts.append(self.difference(side))
            elif finding.exceeds_sentence(side):
                texts.append(self.excess(side))
        return [*texts, self.dropped] if finding.dropped_share else texts

    def excess(self, side: Laterality) -> str:
        """Say that a lung's outlines reach a zone that the sentence leaves out."""
        return self._written(self._side(side).excess)

    def difference(self, side: Laterality) -> str:
        """Say that a zone of a lung is named and hardly marked; another one may be marked and not named."""
        return self._written(self._side(side).difference or _side_of(_english(), side).difference or "")

    @property
    def dropped(self) -> str:
        """Say that a marked part outside both lungs is in no region."""
        return self._written(self._grammar.remark.dropped or _english().remark.dropped or "")

    @property
    def possible_remarks(self) -> list[str]:
        """All that `doubts` and `lung_extents` may say, with numbers; each text about a lung for both."""
        texts = [self.dropped, self._share_of_both(0.0), self._severity(0, 0)]
        for side in Laterality:
            texts += [
                self.disagreement(side),
                self.excess(side),
                self.difference(side),
                self._share(side, 0.0),
                *(
                    self._change(LungChange(side=side, before=0.0, now=now, limit=1.0), "0123456789-:")
                    for now in (0.0, 0.5)
                ),
            ]
        return [*texts, *map(self._of_region, ("less", "about_comparison"))]

    @property
    def possible_assumptions(self) -> list[str]:
        """All that `assumptions` and `caution` may say."""
        remark = self._grammar.remark
        texts = [remark.sides_by_the_middle, remark.orientation_unknown, remark.side_by_look]
        return [self._written(text) for text in texts if text is not None]

    def assumptions(self, finding: Finding, radiograph: Radiograph) -> list[str]:
        """Say what was assumed about the sides, but for what `caution` says."""
        by_the_middle, unknown = self.possible_assumptions[:2]
        texts = [by_the_middle] if finding.lung_centres is None else []
        if not radiograph.display.orientation.stated and not self.caution(radiograph):
            texts.append(unknown)
        return texts

    def caution(self, radiograph: Radiograph) -> list[str]:
        """Say what must be read before the finding: that nothing but the image's look tells its sides."""
        if radiograph.display.sides_are_stated:
            return []
        remark = self._grammar.remark
        return [self._written(remark.side_by_look or remark.orientation_unknown)]

    @property
    def nominal_geometry(self) -> str:
        """Say that the SEG's geometry is no measurement."""
        return self._written(self._grammar.remark.nominal_geometry)

    def title(self, kind: Kind) -> str:
        """Describe the series of one kind of result, at most 64 characters."""
        return self._written(getattr(self._grammar.title, kind.value.replace("-", "_")))

    def series(self, kind: Kind, sides: Sequence[Laterality]) -> str:
        """
        Name a result as a list of series shall show it, at most 56 characters; see `sgseg_dicom.results.series`.

        Args:
            kind: of the result.
            sides: the lungs of the patient that it is about; none where nothing was found.
        """
        here, english = self._grammar.title, _english().title
        word = getattr(here, _SERIES_WORD[kind]) or getattr(english, _SERIES_WORD[kind])
        if not sides:
            return self._written(here.series_no_finding or english.series_no_finding or "", object=word)
        letters = "+".join(side.value for side in sides)
        return self._written(here.series or english.series or "", object=word, sides=letters)

    @property
    def seg_content(self) -> str:
        """Describe the SEG's content, at most 64 characters."""
        return self._written(self._grammar.title.seg_content)

    @property
    def not_judged_title(self) -> str:
        """Describe the series of the report that an image was not judged, at most 64 characters."""
        return self._written(self._grammar.title.answer)

    def not_judged(self, reason: str) -> str:
        """Say that an image was not judged and why; *reason* is that of `NotApplicable`, for example "child"."""
        reasons = self._grammar.reason
        return self._written(
            self._grammar.answer.not_judged, reason=reasons.get(reason, reasons[OTHER_REASON])
        )

    @property
    def failed(self) -> str:
        """Say that the software failed on an image."""
        return self._written(self._grammar.answer.failed)

    @property
    def _grammar(self) -> Grammar:
        return _grammar_of(self.path)

    def _side(self, side: Laterality) -> Side:
        return _side_of(self._grammar, side)

    def _share(self, side: Laterality, share: float) -> str:
        template = self._side(side).share or _side_of(_english(), side).share or ""
        return self._written(template, percent=self.percent(share))

    def _change(self, one: LungChange, day: str) -> str:
        template = self._side(one.side).compared or _side_of(_english(), one.side).compared or ""
        words = {Change.MORE: "more", Change.LESS: "less", Change.UNCLEAR: "unclear"}
        return self._written(
            template,
            date=day,
            before=self._part(one.before),
            now=self._part(one.now),
            change=self._of_region(words[one.change]),
            limit=self._number(one.limit, decimals=1),
        )

    def _part(self, share: float) -> str:
        """Say which part of a lung is marked; of nothing no number: it would read as a judgement of the lung."""
        if not share:
            return self._of_region("nothing_marked")
        return self._of_region("of_its_area", percent=self.percent(share))

    def _of_region(self, key: str, **values: object) -> str:
        """Write a text of [region] that an older language file lacks: then in English."""
        template = getattr(self._grammar.region, key) or getattr(_english().region, key) or ""
        return self._written(template, **values)

    def _share_of_image(self, region: LungRegion) -> str:
        name, percent = self.region_name(region.laterality), self.percent(region.area_share)
        return self._of_region("share_of_image", region=name, percent=percent)

    def _share_of_both(self, share: float) -> str:
        template = self._grammar.region.share_of_both or _english().region.share_of_both or ""
        return self._written(template, percent=self.percent(share))

    def _severity(self, right: int, left: int) -> str:
        template = self._grammar.region.severity or _english().region.severity or ""
        return self._written(template, total=right + left, right=right, left=left)

    def _table(self, name: str, side: Laterality) -> grammar.Lung | grammar.Zone:
        table: grammar.Lung | grammar.Zone = getattr(self._grammar, f"{side.word}_{name}")
        return table

    def _lung(self, zones: Sequence[bool], side: Laterality) -> str:
        levels = [
            zone.level.value
            for zone, present in zip(ZONES, zones, strict=True)
            if present and zone.laterality is side
        ]
        return getattr(self._table("lung", side), "_".join(levels)) if levels else ""

    def _written(self, template: str, **values: object) -> str:
        text = template.format(**values)
        return to_ascii(text, self._grammar.ascii) if self.plain_ascii else text


ENGLISH = Language(path=PACKAGED / "en.toml")


def load_language(name_or_path: str, *, plain_ascii: bool = False) -> Language:
    """
    Give a language that comes with the software ("en", "es", "de"), or that of a language file.

    Args:
        name_or_path: a name without a dot, or the path of a TOML file.
        plain_ascii: write everything in ASCII: as the file's [ascii] says, and without accents.

    Raises:
        ConfigError: there is no such language; or one line for each problem of the file, all at once.
    """
    known = sorted(path.stem for path in PACKAGED.glob("*.toml"))
    if not name_or_path.endswith(".toml") and name_or_path not in known:
        raise ConfigError(
            f"there is no language {name_or_path!r}; give one of {known} or the name of a file ending .toml"
        )
    path = PACKAGED / f"{name_or_path}.toml" if name_or_path in known else Path(name_or_path)
    language = Language(path=path, plain_ascii=plain_ascii)
    if name_or_path not in known and language.code in known:
        raise ConfigError(
            f"{path}: code is {language.code!r}, a language that comes with the software, and other words under "
            f'one code would be other results under one UID; give it its own, for example "{language.code}-x-site"'
        )
    _require_distinct(language)
    _require_short(language)
    if plain_ascii:
        _require_ascii(_grammar_of(path), path)
    return language


def to_ascii(text: str, spelling: dict[str, str]) -> str:
    """
    Spell *text* in ASCII: first by the language's own *spelling* ("ä" as "ae"), then without accents.

    Raises:
        ConfigError: a character has no spelling.
    """
    spelt = "".join(spelling.get(character, character) for character in unicodedata.normalize("NFC", text))
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", spelt)
        if not unicodedata.combining(character)
    )
    if not plain.isascii():
        strange = sorted({character for character in plain if not character.isascii()})
        raise ConfigError(f"{strange} cannot be written in ASCII; say how under [ascii] of the language file")
    return plain


def _english() -> Grammar:
    """Give the English texts, for those that an older language file lacks."""
    return _grammar_of(ENGLISH.path)


def written_day(taken: Moment, *, beside: Moment) -> str:
    """Write a day as ISO 8601 does, which no language reads otherwise; with the time where both are of one day."""
    day = f"{taken.date[:4]}-{taken.date[4:6]}-{taken.date[6:]}"
    return f"{day} {taken.time[:2]}:{taken.time[2:4]}" if taken.date == beside.date else day


def _side_of(words: Grammar, side: Laterality) -> Side:
    return words.right if side is Laterality.RIGHT else words.left


@cache
def _grammar_of(path: Path) -> Grammar:
    try:
        read = Grammar.model_validate(tomllib.loads(path.read_text("utf-8")))
        found = list(doubts(read))
    except OSError as error:
        raise ConfigError(f"the language file {path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}; see https://toml.io") from error
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in problems(error.errors()))) from error
    if found:
        raise ConfigError("\n".join(f"{path}: {line}" for line in found))
    return read


def _require_ascii(words: Grammar, path: Path) -> None:
    """Spell everything once, so that no letter is met for the first time in a patient's result."""
    titles = [text for _, text in words.title if text is not None]
    short = [*titles, words.remark.draft, words.right.region, words.left.region]
    for text in (*short, words.model_dump_json(exclude={"ascii"})):
        spelt = to_ascii(text, words.ascii)
        if text in short and len(spelt) > LONG_STRING:
            raise ConfigError(
                f"{path}: {spelt!r} has more than {LONG_STRING} characters in ASCII; shorten it"
            )


def _require_short(language: Language) -> None:
    """A presentation state holds all texts under an image in one, of at most SHORT_TEXT characters."""
    sentences = (language.sentence(zones_at(index)) for index in range(REPORT_COUNT))
    by_the_middle, *of_the_sides = language.possible_assumptions  # of the latter one is said
    of_lungs = [
        max((language.disagreement(side), language.excess(side), language.difference(side)), key=len)
        for side in Laterality
    ]
    by_lungs_or_middle = max((by_the_middle, language.dropped), key=len)  # what is dropped, the lungs told
    parts = (
        max(sentences, key=len),
        *of_lungs,
        language.limits,
        by_lungs_or_middle,
        max(of_the_sides, key=len),
    )
    longest = " ".join(parts)
    if len(longest) > SHORT_TEXT:
        raise ConfigError(
            f"{language.path}: sentence, doubts, limits and what is assumed of the sides have up to {len(longest)} "
            f"characters together; at most {SHORT_TEXT} go out, shorten [remark] or the lungs' doubts"
        )


def _require_distinct(language: Language) -> None:
    """No two findings may read the same: it would be a phrase that was copied and not changed."""
    first: dict[str, int] = {}
    for index in range(REPORT_COUNT):
        sentence = language.sentence(zones_at(index))
        if sentence in first:
            one, other = (
                ", ".join(zone.name for zone, present in zip(ZONES, zones_at(number), strict=True) if present)
                for number in (first[sentence], index)
            )
            raise ConfigError(
                f"{language.path}: {sentence!r} is said of {one} and of {other}; give each phrase of "
                "[count], [right_lung] and [left_lung] its own words"
            )
        first[sentence] = index
