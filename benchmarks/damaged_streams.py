"""
`python -m benchmarks.damaged_streams`: what becomes of damaged images, by transfer syntax and damage.

Each is an error of ours, or has the pixels of the whole image; what is neither was let through. The table in
docs/damaged-streams.md is its output.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from sgseg_dicom.accepted_objects import TRANSFER_SYNTAXES
from tests.support.builders import synthetic_chest
from tests.support.damaging import DAMAGES, WholeImage


def main(
    each: Annotated[int, typer.Option(min=1, help="Inputs of each transfer syntax and damage.")] = 20,
    film: Annotated[Path | None, typer.Option(help="A radiograph as PNG; a drawn chest without one.")] = None,
    height: Annotated[int, typer.Option(min=64)] = 512,
    seed: int = 19,
    only: Annotated[str, typer.Option(help="Syntaxes whose name contains it.")] = "",
) -> None:
    """Print a table: how many of the inputs were let through with other pixels."""
    pixels = _film(film, height)
    print("| transfer syntax |", " | ".join(DAMAGES), "|")
    print("|---|" + "---|" * len(DAMAGES))
    total: Counter[str] = Counter()
    for syntax in TRANSFER_SYNTAXES:
        if only not in syntax.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            whole = WholeImage(pixels, syntax, Path(folder))
            cells = []
            for number, damage in enumerate(DAMAGES.values()):
                rng = np.random.default_rng([seed, number])
                outcomes = [whole.outcome(damage(whole.stream, rng)) for _ in range(each)]
                through = sum(not outcome.refused and not outcome.same for outcome in outcomes)
                cells.append(f"{through} of {each}")
                total.update(inputs=each, through=through)
        print(f"| {syntax.name} |", " | ".join(cells), "|", flush=True)
    print(f"\n{total['inputs']} inputs, {total['through']} let through")


def _film(path: Path | None, height: int) -> NDArray[np.uint16]:
    """Give 12-bit values (rows, columns): a film of that many rows with a detector's noise, or a drawn chest."""
    if path is None:
        return synthetic_chest((height, height * 7 // 8))
    image = Image.open(path).convert("L")
    image = image.resize((height * image.width // image.height // 2 * 2, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 10, (image.height, image.width))
    return np.clip(np.asarray(image) * 15.5 + 30 + noise, 0, 4095).astype(np.uint16)


if __name__ == "__main__":
    typer.run(main)
