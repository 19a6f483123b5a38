"""`sgseg predict PATH...` and `sgseg check FILE...`: the core without a network."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
import typer
from pydantic import ValidationError
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sgseg_dicom.config import Model, require_text_encoding
from sgseg_dicom.errors import ConfigError, ConflictingInstance, InstanceError, InvalidDataset, SgsegError
from sgseg_dicom.extent import Extent
from sgseg_dicom.language.language import Language, load_language
from sgseg_dicom.output_folder import OUR_PICTURE, OutputFolder
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.records import WrittenObject
from sgseg_dicom.zones import ZONES

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sgseg_dicom.inference.segmenter import Segmenter
    from sgseg_dicom.inference.wanted import Wanted
    from sgseg_dicom.pipeline import Pipeline
    from sgseg_dicom.predicted_files import FilePredictor, Predicted

app = typer.Typer(
    help="Mark infected lung regions on chest radiographs, without a network.", no_args_is_help=True
)


def _encoding(name: str) -> str:
    try:
        return require_text_encoding(name)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; give gb18030, euc_kr or cp1251, for example") from None


def _device(name: str) -> str:
    try:
        return Model(device=name).device
    except ValidationError:
        raise typer.BadParameter('give "auto", "cpu", "cuda" or one GPU, "cuda:0" for example') from None


_MOST_AT_ONCE = 8
"""Files that are judged at a time: a large image takes a gigabyte, whatever the number of processors is."""

Undeclared = Annotated[
    str,
    typer.Option(
        help="Encoding of texts where an image declares none, as in config.toml.", callback=_encoding
    ),
]


@app.callback()
def sgseg() -> None:
    """Mark infected lung regions on chest radiographs, without a network."""
    if not structlog.is_configured():  # standard output is for what a program reads
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@app.command()
def predict(
    paths: Annotated[
        list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders that are searched for them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; made where it is not there.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line an image.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    device: Annotated[
        str,
        typer.Option(help='"auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".', callback=_device),
    ] = "auto",
    runtime: Annotated[
        Literal["auto", "openvino", "torch"],
        typer.Option(help="What runs the model; auto: torch on a GPU, OpenVINO on a CPU."),
    ] = "auto",
    language: Annotated[str, typer.Option(help='"en", "es", "de" or a language file ending .toml.')] = "en",
    picture: Annotated[
        bool, typer.Option(help="Draw each finding over its image, in ....overlay.png.")
    ] = True,
    picture_style: Annotated[
        PictureStyle,
        typer.Option(help="How the picture marks a region: an outline leaves its texture as it is."),
    ] = "outline",
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Make DICOM objects of PNG and JPEG films too, and of the films.")
    ] = False,
    undeclared_character_set: Undeclared = "",
) -> None:
    """
    Write a SEG, an SR, a text draft and a picture beside each other for every radiograph.

    Of DICOM they are named by its SOP Instance UID. A PNG or JPEG film has no header: of it there is a picture,
    named like the film, and the patient's right is taken to be at the image's left. The output says so.

    Ends with status 1 where an image had no result, and says which and why. Where its header allows, a coded
    report that it was not judged is written in their place.
    """
    from sgseg_dicom.inference.compiled_graph import cache_of_user, processors
    from sgseg_dicom.inference.wanted import Wanted

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
            wanted=Wanted(
                device=device,
                runtime=runtime,
                at_once=at_once(len(files), processors()),
                cache=cache_of_user(),
            ),
            made=_Made(
                language=load_language(language),
                picture=picture,
                picture_style=picture_style,
                film_objects=dicom,
                undeclared=undeclared_character_set,
            ),
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
    """Give every file of *paths*, folders searched through; hidden files, DICOMDIR and our pictures are left out."""
    for path in paths:
        if path.is_dir():
            yield from (
                file
                for file in sorted(path.rglob("*"))
                if file.is_file()
                and not file.name.startswith(".")
                and file.name != "DICOMDIR"
                and not file.name.endswith(f".{OUR_PICTURE}")
            )
        else:
            yield path


def at_once(files: int, processors: int) -> int:
    """Give how many files are judged at a time. A single one has all processors."""
    return 1 if files == 1 else min(processors, _MOST_AT_ONCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """What is made of each file; `Pipeline` and `FilePredictor` say what each is."""

    language: Language
    picture: bool
    picture_style: PictureStyle
    film_objects: bool
    undeclared: str


def _predict_all(
    files: Sequence[Path], *, out: Path, as_json: bool, weights: Path | None, wanted: "Wanted", made: _Made
) -> int:
    """Judge *files*, several at a time; give the number of those without a result."""
    from sgseg_dicom.in_order import in_order
    from sgseg_dicom.inference.load import load_segmenter
    from sgseg_dicom.predicted_files import film_names

    failed = 0
    with closing(load_segmenter(weights, wanted)) as segmenter, _progress() as progress:
        names = film_names(files)
        predictor = _predictor(segmenter, made, names)
        with _written(out):
            out.mkdir(parents=True, exist_ok=True)
        folder = OutputFolder(out)
        judged = in_order(predictor, files, at_once=wanted.at_once + 1)
        for path, answer in progress.track(judged, total=len(files), description="radiographs"):
            line = _written_line(path, answer, folder, predictor, out)
            failed += line["result"] == "none"
            _print(progress.console, line, as_json=as_json)
    return failed


def _predictor(segmenter: "Segmenter", made: _Made, names: Mapping[Path, str]) -> "FilePredictor":
    from sgseg_dicom.inference.image_check import load_image_check
    from sgseg_dicom.pipeline import Pipeline
    from sgseg_dicom.predicted_files import FilePredictor
    from sgseg_dicom.reading.film import read_any

    pipeline = Pipeline(
        segmenter=segmenter,
        image_check=load_image_check(),
        clock=lambda: datetime.now().astimezone(),
        language=made.language,
        picture_style=made.picture_style,
        undeclared_character_set=made.undeclared,
        reader=read_any,
    )
    return FilePredictor(pipeline=pipeline, names=names, picture=made.picture, film_objects=made.film_objects)


def _written_line(
    path: Path, answer: "Future[Predicted]", folder: OutputFolder, predictor: "FilePredictor", out: Path
) -> dict[str, Any]:
    """Write the results of one file; give its line of the output."""
    try:
        predicted = answer.result()
        folder.claim(predicted.name, path)
    except SgsegError as error:  # one image's trouble is not the next one's
        return _refused_line(path, error, folder, predictor, out)
    with _written(out):
        written = folder.write(predicted.name, predicted.files)
    return {
        "file": str(path),
        "result": "draft",
        **_summary_of(predicted, written, predictor.pipeline.language),
    }


def _refused_line(
    path: Path, error: SgsegError, folder: OutputFolder, predictor: "FilePredictor", out: Path
) -> dict[str, Any]:
    """Say why a file has no result; where its header allows, write a report that says so too."""
    line = {"file": str(path), "result": "none", "why": f"{type(error).__name__}: {error}"}
    if path in predictor.names:
        with suppress(ConflictingInstance), _written(out):
            folder.claim(predictor.names[path], path)  # results of another file of this run stay
            folder.write(predictor.names[path], {})  # what an earlier run found would contradict it
        return line
    report = _not_judged(path, error, predictor.pipeline)
    if report is None:
        return line
    uid = _image_of(report.dataset)
    try:
        folder.claim(uid, path)
    except ConflictingInstance as conflict:
        return line if error.args == conflict.args else line | {"why": f"{line['why']}; {conflict}"}
    with _written(out):
        return line | {"answer": str(folder.write(uid, {"answer.dcm": report.content})["answer.dcm"])}


def _not_judged(path: Path, error: SgsegError, pipeline: "Pipeline") -> WrittenObject | None:
    """Give the report that an image was not judged; None where the file does not tell which image it is."""
    with suppress(SgsegError):
        return pipeline.not_judged(path, error)
    return None


def _image_of(report: Dataset) -> str:
    """Give the SOP Instance UID of the image that a not-judged report is about."""
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
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


def _summary_of(predicted: "Predicted", written: Mapping[str, Path], language: Language) -> dict[str, Any]:
    """Say what results say, and where they are."""
    # "seg", whichever form of it was chosen
    places = {re.split(r"\W", name)[0]: str(path) for name, path in written.items()}
    finding = predicted.finding
    return {
        **({"sides": predicted.sides} if predicted.sides else {}),
        "caution": list(predicted.caution),
        "sentence": finding.sentence,
        "reads": language.sentence(finding.zones),
        "zones": {
            zone.name: {"judgement": finding.judgement_of(zone), "probability": round(float(probability), 4)}
            for zone, probability in zip(ZONES, finding.zone_probabilities, strict=True)
        },
        "doubts": language.doubts(finding),
        "area_share": {region.laterality.word: round(region.area_share, 5) for region in finding.regions},
        "lung_share": {side.word: round(share, 5) for side, share in finding.lung_shares.items()},
        **places,
    }


def _print(console: Console, line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(line) + "\n")
    else:
        sides = [f"Sides are {line['sides']}."] if "sides" in line else []
        words = " ".join(
            [*line.get("caution", ()), *sides, line.get("reads") or line["why"], *line.get("doubts", ())]
        )
        place = f" -> {line['overlay']}" if "overlay" in line else ""
        console.print(f"{line['file']}: {words}{place}", highlight=False, markup=False, soft_wrap=True)


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
