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
from pydantic import ValidationError
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sgseg_dicom.config import Model, require_text_encoding
from sgseg_dicom.errors import ConfigError, ConflictingInstance, InstanceError, InvalidDataset, SgsegError
from sgseg_dicom.extent import Extent
from sgseg_dicom.language.language import Language, load_language
from sgseg_dicom.output_folder import OutputFolder
from sgseg_dicom.records import Results, WrittenObject
from sgseg_dicom.zones import ZONES

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sgseg_dicom.inference.wanted import Wanted
    from sgseg_dicom.pipeline import Pipeline

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


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders that are searched for them.")],
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
    undeclared_character_set: Undeclared = "",
) -> None:
    """
    Write a SEG, an SR and a text draft beside each other for every radiograph, named by its SOP Instance UID.

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


def at_once(files: int, processors: int) -> int:
    """Give how many files are judged at a time. A single one has all processors."""
    return 1 if files == 1 else min(processors, _MOST_AT_ONCE)


def _predict_all(
    files: Sequence[Path],
    *,
    out: Path,
    as_json: bool,
    weights: Path | None,
    wanted: "Wanted",
    language: Language,
    undeclared: str,
) -> int:
    """Judge *files*, several at a time; give the number of those without a result."""
    from sgseg_dicom.in_order import in_order
    from sgseg_dicom.inference.image_check import load_image_check
    from sgseg_dicom.inference.load import load_segmenter
    from sgseg_dicom.pipeline import Pipeline

    failed = 0
    with closing(load_segmenter(weights, wanted)) as segmenter, _progress() as progress:
        pipeline = Pipeline(
            segmenter=segmenter,
            image_check=load_image_check(),
            clock=lambda: datetime.now().astimezone(),
            language=language,
            undeclared_character_set=undeclared,
        )
        with _written(out):
            out.mkdir(parents=True, exist_ok=True)
        folder = OutputFolder(out)
        judged = in_order(pipeline, files, at_once=wanted.at_once + 1)
        for path, answer in progress.track(judged, total=len(files), description="radiographs"):
            line = _written_line(path, answer, folder, pipeline, out)
            failed += line["result"] == "none"
            _print(progress.console, line, as_json=as_json)
    return failed


def _written_line(
    path: Path, answer: "Future[Results]", folder: OutputFolder, pipeline: "Pipeline", out: Path
) -> dict[str, Any]:
    """Write the results of one file; give its line of the output."""
    try:
        results = answer.result()
        folder.claim(results.source_uid, path)
    except SgsegError as error:  # one image's trouble is not the next one's
        line: dict[str, Any] = {
            "file": str(path),
            "result": "none",
            "why": f"{type(error).__name__}: {error}",
        }
        report = _not_judged(path, error, pipeline)
        if report is None:
            return line
        uid = _image_of(report.dataset)
        try:
            folder.claim(uid, path)
        except ConflictingInstance as conflict:
            return line if error.args == conflict.args else line | {"why": f"{line['why']}; {conflict}"}
        with _written(out):
            return line | {"answer": str(folder.write(uid, {"answer.dcm": report})["answer.dcm"])}
    with _written(out):
        written = folder.write(results.source_uid, results.files)
    return {"file": str(path), "result": "draft", **_summary_of(results, written, pipeline.language)}


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


def _summary_of(results: Results, written: Mapping[str, Path], language: Language) -> dict[str, Any]:
    """Say what results say, and where they are."""
    # "seg", whichever form of it was chosen
    places = {re.split(r"\W", name)[0]: str(path) for name, path in written.items()}
    finding = results.finding
    return {
        "caution": list(results.caution),
        "sentence": finding.sentence,
        "reads": language.sentence(finding.zones),
        "zones": {
            zone.name: {"judgement": finding.judgement_of(zone), "probability": round(float(probability), 4)}
            for zone, probability in zip(ZONES, finding.zone_probabilities, strict=True)
        },
        "doubts": language.doubts(finding),
        "area_share": {region.laterality.word: round(region.area_share, 5) for region in finding.regions},
        **places,
    }


def _print(console: Console, line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(line) + "\n")
    else:
        words = " ".join(
            [*line.get("caution", ()), line.get("reads") or line["why"], *line.get("doubts", ())]
        )
        console.print(f"{line['file']}: {words}", highlight=False, markup=False)


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
