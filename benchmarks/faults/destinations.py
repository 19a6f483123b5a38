"""A healthy destination beside three sick ones: `benchmarks.destinations`."""

from benchmarks.destinations import measure as measured_seconds
from benchmarks.destinations import percentile, sick
from benchmarks.faults.measured import Measured

_IMAGES, _EVERY_SECONDS = 50, 0.1
_MOST_RATIO = 1.5


def measure(share: float, seed: int) -> Measured:
    """Compare the seconds until everything is at the healthy one. *seed* changes nothing."""
    images = max(10, round(_IMAGES * share))
    alone = measured_seconds(images, _EVERY_SECONDS, [])["last"]
    with sick() as others:
        beside = measured_seconds(images, _EVERY_SECONDS, others)["last"]
    p99 = {name: percentile(values, 0.99) for name, values in (("alone", alone), ("beside", beside))}
    ratio = p99["beside"] / p99["alone"]
    return Measured(
        holds=ratio <= _MOST_RATIO,
        said=f"{images} images; p99 {p99['alone']:.2f} s alone, {p99['beside']:.2f} s beside three sick ones: "
        f"{ratio:.2f} times (aim: {_MOST_RATIO}); medians {percentile(alone, 0.5):.2f} s and "
        f"{percentile(beside, 0.5):.2f} s",
        figures={
            "images": images,
            "p99_alone": round(p99["alone"], 3),
            "p99_beside": round(p99["beside"], 3),
            "ratio": round(ratio, 2),
            "median_alone": round(percentile(alone, 0.5), 3),
            "median_beside": round(percentile(beside, 0.5), 3),
        },
    )
