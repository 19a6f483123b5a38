"""`sgseg-train curves`: how the losses and the figures of valid went."""

from pathlib import Path
from typing import Annotated

import typer

from sgseg_dicom.errors import ConfigError
from training.cli_options import one_line_errors

app = typer.Typer()


@app.command("curves")
def curves_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of `fit`, or of `ablate` with all runs below it.")
    ],
    out: Annotated[Path, typer.Option(help="PNG file to draw.")] = Path("curves.png"),
) -> None:
    """Draw losses and figures of valid by epoch; print the last and the best epoch of each run."""
    from training.loop.curves import METRICS, draw_curves, read_rows

    with one_line_errors():
        files = [file for run in runs for file in sorted([*run.glob(METRICS), *run.glob(f"*/*/{METRICS}")])]
        if not files:
            raise ConfigError(f"{' and '.join(map(str, runs))}: no {METRICS}; name the folder of a run")
        found = {_name(file): read_rows(file) for file in files}
        draw_curves(found, out)
    for name, rows in found.items():
        best = max(rows, key=lambda row: float(row["valid/dice_micro"]))
        typer.echo(
            f"{name}: {len(rows)} epochs, last {float(rows[-1]['valid/dice_micro']):.4f}, "
            f"best {float(best['valid/dice_micro']):.4f} in epoch {int(best['epoch']) + 1}"
        )
    typer.echo(f"Curves: {out}")


def _name(file: Path) -> str:
    """Give the name of a run: of its folder, or method and seed."""
    folder = file.parent
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("seed-") else folder.name
