"""`sgseg predict PATH...` and `sgseg check FILE...`: the core without a network."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sgseg_dicom.errors import ConfigError, ConflictingInstance, InstanceError, InvalidDataset, SgsegError
from sgseg_dicom.extent import Extent
from sgseg_dicom.language.language import Language, load_language
from sgseg_dicom.output_folder import KeptResults
from sgseg_dicom.reading.character_sets import require_text_encoding
from sgseg_dicom.records import Results
from sgseg_dicom.zones import ZONES

if TYPE_CHECKING:  # torch comes with it
    from sgseg_dicom.pipeline import Segmenter

Device = Literal["auto", "cpu", "cuda"]

app = typer.Typer(
    help="Mark infected lung regions on chest radiographs, without a network.", no_args_is_help=True
)


def _encoding(name: str) -> str:
    try:
        return require_text_encoding(name)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; give gb18030, euc_kr or cp1251, for example") from None


Undeclared = Annotated[
    str,
    typer.Option(
        help="Encoding of texts where an image declares none, as in config.toml.", callback=_encoding
    ),
]


@app.callback()
def sgseg() -> None:
    """Mark infected lung regions on chest radiographs, without a network."""


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders that are searched for them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made where it is not there.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line an image.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    device: Annotated[
        Device, typer.Option(help="Where the model runs; auto: on a GPU where there is one.")
    ] = "auto",
    language: Annotated[str, typer.Option(help='"en", "es", "de" or a language file ending .toml.')] = "en",
    undeclared_character_set: Undeclared = "",
) -> None:
    """
    Write a SEG, an SR and a text draft beside each other for every radiograph, named by its SOP Instance UID.

    Ends with status 1 where an image had no result, and says which and why; if its header allows, a coded
    answer that it was not judged is written in their place.
    """
    files = list(find_files(paths))
    if not files:
        typer.echo(f"no file in {', '.join(map(str, paths))}", err=True)
        raise typer.Exit(2)
    try:
        failed = _predict_all(
            files,
            out=out,
            as_json=as_json,
            weights=weights,
            device=device,
            language=load_language(language),
            undeclared=undeclared_character_set,
        )
    except SgsegError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(1 if failed else 0)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="DICOM files: all results of one image.")],
    source: Annotated[
        Path | None, typer.Option(help="The image; without it, results are compared with each other alone.")
    ] = None,
    undeclared_character_set: Undeclared = "",
) -> None:
    """
    Check results against the rules that `sgseg-node` keeps itself: IHE AIR, DICOM, and our own promises.

    Prints each rule that is broken, where, and its source. Ends with status 1 where there is one, with 2 where a
    file cannot be read.
    """
    from sgseg_dicom.check import violations
    from sgseg_dicom.reading.read import read_header

    try:
        objects = {str(path): _read(path) for path in files}
        header: Dataset | None = None
        extent: Extent | None = None
        if source:
            header, extent = read_header(source, undeclared=undeclared_character_set), _extent_of(source)
        broken = violations(objects, header, extent=extent)
    except SgsegError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for violation in broken:
        typer.echo(str(violation))
    typer.echo(f"{len(objects)} objects, {len(broken)} violations", err=True)
    raise typer.Exit(1 if broken else 0)


def _extent_of(source: Path) -> Extent | None:
    """Where the image lies in its grid; None, with a warning, where its pixels cannot be read."""
    from sgseg_dicom.reading.read import read

    try:
        return read(source).stored_extent
    except InstanceError as error:
        typer.echo(f"sides are taken by the middle of the whole grid: {error}", err=True)
        return None


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except (OSError, InvalidDicomError) as error:
        raise InvalidDataset(f"{path} cannot be read ({type(error).__name__}); give DICOM files") from error


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Give every file of *paths*, folders searched through, hidden files and DICOMDIR left out."""
    for path in paths:
        if path.is_dir():
            yield from (
                file
                for file in sorted(path.rglob("*"))
                if file.is_file() and not file.name.startswith(".") and file.name != "DICOMDIR"
            )
        else:
            yield path


def _predict_all(
    files: Sequence[Path],
    *,
    out: Path,
    as_json: bool,
    weights: Path | None,
    device: str,
    language: Language,
    undeclared: str,
) -> int:
    """Judge *files* one after the other; give the number of those without a result."""
    from sgseg_dicom.inference.segmenter import load_segmenter

    failed = 0
    with closing(load_segmenter(weights, device=device)) as segmenter, _progress() as progress:
        with _written(out):
            out.mkdir(parents=True, exist_ok=True)
        kept = KeptResults(out)
        for path in progress.track(files, description="radiographs"):
            said = _predict(
                path, kept, segmenter=segmenter, language=language, undeclared=undeclared, out=out
            )
            failed += said["result"] == "none"
            _say(progress.console, said, as_json=as_json)
    return failed


def _predict(
    path: Path, kept: KeptResults, *, segmenter: "Segmenter", language: Language, undeclared: str, out: Path
) -> dict[str, Any]:
    """Judge one file and write what is said of it; give what is told."""
    from sgseg_dicom.pipeline import process

    made_at = datetime.now().astimezone()
    try:
        results = process(
            path, segmenter=segmenter, made_at=made_at, language=language, undeclared=undeclared
        )
        kept.claim(results.source_uid, path)
    except SgsegError as error:  # one image's trouble is not the next one's
        said: dict[str, Any] = {
            "file": str(path),
            "result": "none",
            "why": f"{type(error).__name__}: {error}",
        }
        ds = _answer(
            path, error, segmenter=segmenter, made_at=made_at, language=language, undeclared=undeclared
        )
        if ds is None:
            return said
        uid = _image_of(ds)
        try:
            kept.claim(uid, path)
        except ConflictingInstance as conflict:
            return said if error.args == conflict.args else said | {"why": f"{said['why']}; {conflict}"}
        with _written(out):
            return said | {"answer": str(kept.write(uid, {"answer.dcm": ds})["answer.dcm"])}
    with _written(out):
        written = kept.write(results.source_uid, results.files)
    return {"file": str(path), "result": "draft", **_told_of(results, written, language)}


def _answer(
    path: Path,
    error: SgsegError,
    *,
    segmenter: "Segmenter",
    made_at: datetime,
    language: Language,
    undeclared: str,
) -> Dataset | None:
    """Give the coded answer for an image that was not judged; None where the file does not tell which image it is."""
    from sgseg_dicom.pipeline import answer

    with suppress(SgsegError):
        return answer(
            path,
            error,
            algorithm=segmenter.algorithm,
            made_at=made_at,
            language=language,
            undeclared=undeclared,
        )
    return None


def _image_of(answer: Dataset) -> str:
    """Give the SOP Instance UID of the image that an answer is about."""
    (study,) = answer.CurrentRequestedProcedureEvidenceSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


@contextmanager
def _written(out: Path) -> Iterator[None]:
    """
    Say of what cannot be written where, why and what to do.

    Raises:
        ConfigError: not of one image, so no other one is tried.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{error.filename or out} cannot be written: {error.strerror}; make room, or name another folder"
        ) from error


def _told_of(results: Results, written: Mapping[str, Path], language: Language) -> dict[str, Any]:
    """Give what is told of results, and where they are."""
    # "seg", whichever form of it was chosen
    places = {re.split(r"\W", name)[0]: str(path) for name, path in written.items()}
    finding = results.finding
    return {
        "caution": list(results.caution),
        "sentence": finding.sentence,
        "reads": language.sentence(finding.zones),
        "zones": {
            zone.name: {"judgement": finding.judgement_of(zone), "probability": round(float(chance), 4)}
            for zone, chance in zip(ZONES, finding.zone_probabilities, strict=True)
        },
        "doubts": language.doubts(finding),
        "area_share": {region.laterality.word: round(region.area_share, 5) for region in finding.regions},
        **places,
    }


def _say(console: Console, said: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        words = " ".join(
            [*said.get("caution", ()), said.get("reads") or said["why"], *said.get("doubts", ())]
        )
        console.print(f"{said['file']}: {words}", highlight=False, markup=False)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


if __name__ == "__main__":
    app()
