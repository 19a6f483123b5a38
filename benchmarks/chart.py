"""
`python -m benchmarks.chart`: draw docs/figures/performance.json as docs/figures/performance.svg.

Each bar is the ratio of before to now: how many times less time, processor time or memory is taken now.
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
    # Bars begin at 1, which is "as before", on a scale of ratios: one long bar would hide the others.
    bars = axes.barh(list(rows), [ratio - 1 for ratio in rows.values()], left=1, color="#2a6f97")
    axes.bar_label(bars, labels=[f"{ratio:.1f}" for ratio in rows.values()], padding=3)
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.95, 1.4 * max(rows.values()))
    axes.set_xlabel("times better than before, on the same machine in turn")
    axes.set_title(content["title"], fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, format="svg", metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    draw(FIGURES / "performance.json", FIGURES / "performance.svg")
