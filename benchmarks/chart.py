"""
`python -m benchmarks.chart`: draw docs/figures/performance.json as docs/figures/performance.svg.

Each bar is the ratio of before to now in one run: how many times less time, processor time or memory is taken now.
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot

FIGURES = Path(__file__).parents[1] / "docs" / "figures"


def draw(source: Path, out: Path) -> None:
    """
    Draw a bar for each row.

    Args:
        source: JSON, {"title": ..., "rows": {what: ratio}}.
        out: the SVG file.
    """
    content = json.loads(source.read_text())
    rows = dict(reversed(content["rows"].items()))
    # The same figures are the same file: no date, and names that do not change.
    matplotlib.rcParams["svg.hashsalt"] = "sgseg-dicom"
    figure, axes = pyplot.subplots(figsize=(8, 0.42 * len(rows) + 1.2), layout="constrained")
    bars = axes.barh(list(rows), list(rows.values()), color="#2a6f97")
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.axvline(1, color="#888888", linewidth=1)
    axes.set_xlabel("times better than version 0.3.0, in one run on the same machine")
    axes.set_title(content["title"], fontsize=11)
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, format="svg", metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    draw(FIGURES / "performance.json", FIGURES / "performance.svg")
