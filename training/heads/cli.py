"""`sgseg-train heads`: train what is read from the encoder's features besides zones and mask."""

import json
from pathlib import Path
from typing import Annotated

import typer

from training.cli_options import Data, Normals, one_line_errors, require_writable

app = typer.Typer()


@app.command("heads")
def heads_command(
    data: Data,
    normals: Normals,
    other: Annotated[Path, typer.Option(help="Folder of the films of other hospitals.")],
    cache: Annotated[Path, typer.Option(help="Folder for features: 3 GB. What is there is not made again.")],
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the weights that the heads are for; none: those that ship.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a copy of the weights that gets the heads; none: *weights*."),
    ] = None,
) -> None:
    """Train lungs, look and image-level judgement on the frozen encoder, choose their limits, and measure them."""
    from sgseg_dicom.release.manifest import packaged_weights
    from training.heads.train import Folders, train_heads

    with one_line_errors():
        folder = packaged_weights() if weights is None else weights
        figures = train_heads(
            Folders(data=data, normals=normals, other=other, cache=cache),
            folder,
            out=folder if out is None else out,
        )
        typer.echo(json.dumps(figures, indent=2))


@app.command("draw-lungs")
def draw_lungs_command(
    data: Data,
    other: Annotated[Path, typer.Option(help="Folder of the films of other hospitals.")],
    out: Annotated[Path, typer.Option(help="Picture to write (PNG).")],
    weights: Annotated[Path | None, typer.Option(help="Folder of weights; none: those that ship.")] = None,
) -> None:
    """Draw lungs, the bounds of their zones, and what is marked, on eight films of four sources."""
    from sgseg_dicom.inference.network import load_network
    from training.heads.drawings import draw_lungs, drawn_films

    with one_line_errors():
        require_writable(out)
        draw_lungs(load_network(weights), drawn_films(data, other), out)
