"""`sgseg-train ablate` and `figures`: the tables and the figures of the paper."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sgseg_dicom.errors import ConfigError
from training.cli_options import Data, one_line_errors
from training.data import read_captioned, read_split
from training.recipe import load_recipe

app = typer.Typer()


@app.command("ablate")
def ablate_command(
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Folder of the runs; methods that were measured there are not run again.")
    ],
    table: Annotated[
        Literal["2", "1"], typer.Option(help="2: ablations of SGSeg. 1: image-only baselines.")
    ] = "2",
    recipe: Annotated[str, typer.Option(help="Budget, data and augmentation of every method.")] = "tables",
    only: Annotated[list[str] | None, typer.Option(help="Name of a method; may be given again.")] = None,
) -> None:
    """Train and measure the methods of the paper's Table 2 (or Table 1) on the same data and budget."""
    from training.paper.methods import methods_of
    from training.paper.tables import measure_methods, measured, table_of

    with one_line_errors():
        chosen = load_recipe(recipe)
        methods = methods_of(table, chosen)
        if unknown := set(only or ()) - set(methods):
            raise ConfigError(f"no method is named {sorted(unknown)}; known: {list(methods)}")
        chosen_methods = {name: build for name, build in methods.items() if not only or name in only}
        train = read_captioned(data, "train", captions=chosen.captions)
        valid = read_captioned(data, "valid", captions=chosen.captions)
        table_file = out / f"table-{table}.md"
        measure_methods(chosen_methods, chosen, train, valid, out=out)
        table_file.write_text(table_of(measured(methods, out=out)) + "\n")
    typer.echo(table_file.read_text())


@app.command("figures")
def figures_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the PNG files.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "valid",
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
    text_encoder: Annotated[str, typer.Option(help="Text encoder whose tokens the figures show.")] = "minilm",
) -> None:
    """Draw the paper's figures, a calibration curve, and Dice by lesion size."""
    from sgseg_dicom.inference.network import load_network
    from training.paper.figures import draw_figures
    from training.start.pretrained import load_text_encoder

    with one_line_errors():
        tokenizer = load_text_encoder(text_encoder).tokenizer
        for path in draw_figures(load_network(weights), read_split(data, split), tokenizer, out=out):
            typer.echo(str(path))
