"""`sgseg-train ablate` and `figures`: the tables and the figures of the paper."""

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from sgseg_dicom.errors import ConfigError
from training.cli_options import Data, Settings, Zones, one_line_errors
from training.data import Captions, read_split
from training.data.train_and_valid import read_train_and_valid
from training.recipe import load_recipe

app = typer.Typer()


@app.command("ablate")
def ablate_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished runs there are not run again.")],
    table: Annotated[
        Literal["2", "1"], typer.Option(help="2: ablations of SGSeg. 1: SGSeg and its rivals.")
    ] = "2",
    recipe: Annotated[str, typer.Option(help="Budget, data and augmentation of every row.")] = "tables",
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a run (its folder); may be given again.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Seeds of the two rows that matter, without text and LERG.")
    ] = 3,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help='Pretrained weights for a rival, timm\'s names: "swin-unet=FILE"; may be repeated.'
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with the runs in the folder; without, a folder with runs is refused.")
    ] = True,
    zones: Zones = "captions",
    settings: Settings = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many minutes; 0: only make the table.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop each run after so many steps, to try it.")
    ] = None,
) -> None:
    """Train and measure the rows of the paper's Table 2 (or Table 1) on the same data and budget."""
    from training.paper.markdown import tables_of
    from training.paper.methods import rows_of
    from training.paper.tables import Plan, run_rows

    with one_line_errors():
        chosen = load_recipe(recipe, settings or ())
        rows = rows_of(table, chosen, _named(weights))
        if unknown := set(only or ()) - {row.run for row in rows}:
            raise ConfigError(f"no run is named {sorted(unknown)}; known: {[row.run for row in rows]}")
        if not resume and any(out.glob("*/seed-*")):
            raise ConfigError(f"{out} holds runs; name a new folder, or go on with --resume")
        train, valid = read_train_and_valid(data, captions=chosen.captions, zones=zones)
        out.mkdir(parents=True, exist_ok=True)

        def write() -> None:
            (out / f"table-{table}.md").write_text(tables_of(table, rows, out) + "\n")

        ends = None if minutes is None else time.monotonic() + 60 * minutes
        plan = Plan(out=out, seeds=seeds, steps_each=steps, ends=ends)
        wanted = [row for row in rows if not only or row.run in only]
        run_rows(wanted, chosen, train, valid, plan, after=write)
        write()
    typer.echo((out / f"table-{table}.md").read_text())


@app.command("pack")
def pack_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to write, in the layout of the SGSeg release.")],
    captions: Annotated[Captions, typer.Option(help="Captions that the zones come from.")] = "original",
) -> None:
    """Make a small copy of train and valid (49 MB of QaTa-COV19), to be sent to a machine with a GPU."""
    from training.paper.pack import pack

    with one_line_errors():
        train, valid = read_train_and_valid(data, captions=captions)
        size = pack({"train": train, "valid": valid}, out)
    typer.echo(f"{len(train)} and {len(valid)} images, {size / 1e6:.1f} MB: {out}")


def _named(weights: list[str] | None) -> dict[str, str]:
    """Give run name -> file, of options "NAME=FILE"."""
    if wrong := [text for text in weights or () if "=" not in text]:
        raise ConfigError(
            f'--weights {wrong[0]}: "RUN=FILE" is needed, for example "swin-unet=swin_tiny.pth"'
        )
    return dict(text.split("=", 1) for text in weights or ())


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
