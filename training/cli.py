"""`sgseg-train`: fit, evaluate, export."""

from pathlib import Path
from typing import Annotated

import typer

from sgseg_dicom.errors import SgsegError
from training.data import read_normals, read_qata
from training.recipe import load_recipe

app = typer.Typer(help="Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="QaTa-COV19 in the SGSeg layout: `images` and `prompts`.")]
Normals = Annotated[Path | None, typer.Option(help="Folder of normal radiographs, one sub-folder a split.")]


@app.callback()
def sgseg_train() -> None:
    """Reproduce SGSeg: from QaTa-COV19 to the weights that the node loads."""


@app.command("fit")
def fit_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of checkpoints and logs; a run found there is resumed.")],
    recipe: Annotated[str, typer.Option(help="Name of a packaged recipe, or a TOML file.")] = "compact",
    normals: Normals = None,
    epochs: Annotated[int | None, typer.Option(help="Stop early after so many epochs, to resume later.")] = None,
) -> None:
    """Train a model; stopped runs resume."""
    from training.fit import fit

    try:
        chosen = load_recipe(recipe)
        train = read_qata(data, "train", captions=chosen.captions)
        valid = read_qata(data, "valid", captions=chosen.captions)
        if normals is not None:
            train += read_normals(normals, "train")
        last = fit(chosen, train, valid, out=out, epochs=epochs)
    except SgsegError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"Last checkpoint: {last}")


if __name__ == "__main__":
    app()
