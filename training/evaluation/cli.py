"""`sgseg-train evaluate`, `guidance-gain` and `robustness`: measure weights."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import GuidedBy
from training.cli_options import Data, Normals, one_line_errors, require_writable, write_json
from training.data import Captions, Item, read_normals, read_split, survey_split, warn_of
from training.evaluation.people import brixia_table
from training.evaluation.source_tables import tables_of

if TYPE_CHECKING:
    from sgseg_dicom.inference.segmenter import Judge

app = typer.Typer()


@app.command("evaluate")
def evaluate_command(
    data: Data | None = None,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights, or its model.safetensors; none: those that ship.")
    ] = None,
    normals: Normals | None = None,
    captions: Annotated[
        Captions, typer.Option(help="Captions that the zones are compared with.")
    ] = "original",
    guidance: Annotated[
        GuidedBy, typer.Option(help="What guides the decoder; the node uses its own report.")
    ] = "generated",
    other: Annotated[
        Path | None,
        typer.Option(
            help="Folder of films of other hospitals: how often the whole node is right, by source."
        ),
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help="With --other: only this source; may be given again.")
    ] = None,
    names: Annotated[
        Path | None, typer.Option(help="With --other: file with the name of a film in each line; only these.")
    ] = None,
    image_check: Annotated[
        Path | None, typer.Option(help="With --other: folder of the image check; none: the one that ships.")
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(help="With --other: file that keeps the answers, to go on after a stop."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """
    Measure weights on a split (--data), on films of other hospitals (--other), or on both.

    On a split the model writes its own report, unless --guidance says otherwise. With --other and --data the image
    check also looks at the images of the split.
    """
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.cli_other_sources import Wanted, evaluate_other
    from training.evaluation.evaluate import evaluate

    with one_line_errors():
        if data is None and other is None:
            raise ConfigError("name what to measure on: --data, --other or both")
        require_writable(json_file)
        survey = None if data is None else survey_split(data, split, captions=captions)
        network = load_network(weights)
        figures: dict[str, Any] = {"weights": network.manifest.sha256}
        if survey is not None:
            warn_of(survey, split, captions=captions)
            healthy = [] if normals is None else read_normals(normals, split, undivided=True)
            figures = {"split": split, "captions": captions} | figures
            figures |= evaluate(network, survey.items, healthy, guided_by=guidance)
            figures |= {"left_out": len(survey.dropped), "other_caption": len(survey.other_caption)}
            typer.echo(json.dumps(figures, indent=2))
        if other is not None:
            wanted = Wanted(
                folder=other, sources=sources or (), names=names, image_check=image_check, kept=kept
            )
            infected = () if survey is None else survey.items
            measured = evaluate_other(network, wanted, infected=infected, normals=normals, split=split)
            figures["other_sources"] = measured
            typer.echo(_shown(measured))
        write_json(json_file, figures)


def _shown(measured: dict[str, Any]) -> str:
    """Write the figures on films of other hospitals for the screen."""
    text = f"{measured['films']} films of other sources; sides {measured['sides']}\n\n{tables_of(measured)}"
    return text + (f"\n\n{brixia_table(measured['brixia'])}" if "brixia" in measured else "")


@app.command("guidance-gain")
def guidance_gain_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    against: Annotated[
        GuidedBy, typer.Option(help="The other guidance; sentence: the paper's own inference.")
    ] = "none",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure what the model's own report is worth: Dice with it minus Dice with another guidance, by patient."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.guidance_gain import guidance_gain

    with one_line_errors():
        require_writable(json_file)
        items = read_split(data, split)
        network = load_network(weights)
        figures = {"split": split, "weights": network.manifest.sha256} | guidance_gain(
            network, items, against=against
        )
        typer.echo(json.dumps(figures, indent=2))
        write_json(json_file, figures)


@app.command("robustness")
def robustness_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    normals: Normals | None = None,
    every: Annotated[int, typer.Option(min=1, help="Take one image of so many; all images take hours.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Measure weights on images that are changed as if they came from another hospital."""
    from sgseg_dicom.inference.network import load_network
    from training.evaluation.robustness import robustness, table_of

    with one_line_errors():
        require_writable(json_file)
        items = read_split(data, split)[::every]
        healthy = [] if normals is None else read_normals(normals, split, undivided=True)[::every]
        network = load_network(weights)
        rows = robustness(network, items, healthy)
        what = {"split": split, "weights": network.manifest.sha256, "every": every}
        typer.echo(table_of(rows))
        write_json(json_file, what | {"images": len(items), "normals": len(healthy), "changes": rows})


@app.command("repeatability")
def repeatability_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    films: Annotated[int, typer.Option(min=2, help="How many films, evenly over the split.")] = 100,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """
    Measure how far the percent of a lung moves when the same film comes in another form: what is no change.

    The exported graph judges, as in the node.
    """
    from training.evaluation.repeatability import coefficients_of, shares_in_forms

    with one_line_errors():
        require_writable(json_file)
        items = _frontal(read_split(data, split))
        judge = _exported(weights)
        rows = list(shares_in_forms(judge, items[:: max(1, len(items) // films)][:films]))
        figures = {"split": split, "weights": judge.algorithm.weights_digest} | coefficients_of(rows)
        typer.echo(json.dumps(figures, indent=2))
        write_json(json_file, figures | {"rows": rows})


@app.command("share-error")
def share_error_command(
    data: Data,
    other: Annotated[Path, typer.Option(help="Folder of films of other hospitals, with drawn lungs.")],
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    films: Annotated[int, typer.Option(min=2, help="How many films of valid, evenly over it.")] = 200,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """
    Measure how far the percent of a lung lies from that of experts' masks over hand-drawn lungs.

    The films with both were all learned from. So the mask's part of the error is measured on valid too.
    """
    from training.data.other_sources import read_other_sources
    from training.evaluation.share_error import errors_of, mask_rows, pairs_of, share_rows

    with one_line_errors():
        require_writable(json_file)
        pairs, left_out = pairs_of(read_other_sources(other), read_split(data, "train"), other)
        valid = _frontal(read_split(data, "valid"))
        judge = _exported(weights)
        drawn = list(share_rows(judge, pairs))
        unseen = list(mask_rows(judge, valid[:: max(1, len(valid) // films)][:films]))
        figures = {"weights": judge.algorithm.weights_digest, "left_out": left_out}
        figures |= {"learned_from": errors_of(drawn), "mask_alone_unseen": errors_of(unseen)}
        typer.echo(json.dumps(figures, indent=2))
        write_json(json_file, figures | {"rows": drawn})


def _frontal(items: list[Item]) -> list[Item]:
    from training.image_check.measure import LATERAL

    return [item for item in items if not item.name.startswith(LATERAL)]


def _exported(weights: Path | None) -> "Judge":
    from sgseg_dicom.inference.exported_network import load_exported_network

    return load_exported_network(weights)
