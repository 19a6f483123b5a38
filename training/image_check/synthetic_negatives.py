"""Synthetic images without a chest: as from a bare detector, a document scanner or another part of the body."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sgseg_dicom.model_records import INPUT_SIZE

Drawing = Callable[[np.random.Generator], NDArray[np.float32]]
"""Draws an image, float32 (224, 224), of any range."""


def noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw white noise, coarse or fine."""
    size = int(rng.choice([14, 28, 56, 112, 224]))
    return _enlarged(rng.normal(size=(size, size)))


def clouds(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw noise whose spectrum falls with frequency, as that of radiographs does."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(INPUT_SIZE)] * 2)) + 1 / INPUT_SIZE
    spectrum = np.fft.fft2(rng.normal(size=(INPUT_SIZE, INPUT_SIZE)))
    return np.real(np.fft.ifft2(spectrum / frequency ** rng.uniform(0.7, 2.2))).astype(np.float32)


def gradient(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a smooth slope with a bright or dark field in it, and a little noise."""
    y, x = _grid()
    a, b, c, d, e = rng.normal(size=5)
    field = rng.normal() * ((np.abs(x - a / 3) < 0.6) & (np.abs(y - b / 3) < 0.6))
    return (a * x + b * y + c * x * y + d * x * x + e * y * y + field + _grain(rng)).astype(np.float32)


def stripes(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw stripes, a grid or a chessboard: test patterns."""
    y, x = _grid()
    along, across = (np.sin(axis * rng.uniform(3, 40) + rng.uniform(0, 6)) for axis in (x, y))
    wave = (along, along + across, along * across)[int(rng.integers(3))]
    return ((np.sign(wave) if rng.random() < 0.5 else wave) + _grain(rng)).astype(np.float32)


def page(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a printed page."""
    image = Image.new("L", (INPUT_SIZE, INPUT_SIZE), int(rng.integers(180, 256)))
    pen = ImageDraw.Draw(image)
    height, left = int(rng.integers(5, 16)), int(rng.integers(4, 30))
    for top in range(int(rng.integers(4, 40)), INPUT_SIZE - height, int(height * rng.uniform(1.3, 2.5))):
        start = left
        while start < INPUT_SIZE - left:
            width = int(rng.integers(4, 30))
            if rng.random() < 0.85:
                pen.rectangle((start, top, start + width, top + height // 2), fill=int(rng.integers(0, 90)))
            start += width + int(rng.integers(2, 8))
    return (np.asarray(image, dtype=np.float32) / 255 + _grain(rng)).astype(np.float32)


def limb(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw one or two long bones in soft tissue, with or without a joint."""
    y, x = _turned(rng)
    bend = rng.uniform(-0.3, 0.3) * y * y + rng.uniform(-0.3, 0.3)
    width = rng.uniform(0.25, 0.6) * (1 + rng.uniform(-0.4, 0.4) * y)
    picture = 0.45 * _bump((x - bend) / width, 4)
    for offset in rng.uniform(-0.2, 0.2, size=int(rng.integers(1, 3))):
        bone = rng.uniform(0.06, 0.16) * (1 + rng.uniform(0, 1.5) * _bump((y - rng.uniform(-1, 1)) / 0.25, 2))
        picture += _bone((x - bend - offset) / bone, rng)
    return (picture + _grain(rng)).astype(np.float32)


def hand(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw bones that spread from one place, each in its own soft tissue: a hand or a foot."""
    picture = np.zeros((INPUT_SIZE, INPUT_SIZE))
    turn, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7)
    y, x = _grid()
    y, x = y + 0.9 * np.sin(turn), x + 0.9 * np.cos(turn)
    for angle in turn + np.linspace(-spread, spread, int(rng.integers(3, 6))):
        along = x * np.cos(angle) + y * np.sin(angle)
        across = -x * np.sin(angle) + y * np.cos(angle)
        reach = _bump((along - 0.9) / rng.uniform(0.6, 0.8), 6)
        width = 0.07 + 0.02 * np.cos(along * rng.uniform(12, 18))
        picture = np.maximum(
            picture, reach * (0.3 * _bump(across / 0.15, 4) + 0.5 * _bone(across / width, rng))
        )
    return (picture + _grain(rng)).astype(np.float32)


def skull(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a bright shell with darker caves in it: a head, or a slice of a head."""
    y, x = _turned(rng)
    radius = np.hypot(x / rng.uniform(0.5, 0.9), y / rng.uniform(0.6, 0.95))
    picture = 0.6 * (radius < 1) + rng.uniform(0.2, 1) * _bump((radius - 0.95) / 0.08, 2)
    for _ in range(int(rng.integers(2, 7))):
        centre, size = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.05, 0.3, 2)
        picture += rng.uniform(-0.4, 0.4) * _bump(
            np.hypot((x - centre[0]) / size[0], (y - centre[1]) / size[1]), 4
        )
    return (picture + _grain(rng)).astype(np.float32)


def belly(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a spine, two hip bones or none, and dark bubbles of gas: an abdomen."""
    y, x = _grid()
    picture = 0.8 * _bump(x / rng.uniform(0.7, 1.1), 6)
    picture += 0.5 * _bump(x / 0.13, 4) * (1 + 0.3 * np.cos(y * rng.uniform(18, 30)))
    if rng.random() < 0.6:
        for side in (-1, 1):
            wing = np.hypot((x - 0.55 * side) / 0.35, (y - rng.uniform(0.5, 0.8)) / 0.4)
            picture += 0.4 * _bump((wing - 0.8) / 0.3, 2)
    for _ in range(int(rng.integers(2, 12))):
        centre, size = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.04, 0.2, 2)
        picture -= rng.uniform(0.1, 0.5) * _bump(
            np.hypot((x - centre[0]) / size[0], (y - centre[1]) / size[1]), 4
        )
    return (picture + _grain(rng)).astype(np.float32)


def disc(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw ellipses in an ellipse: a phantom, or a slice of a body."""
    y, x = _turned(rng)
    picture = 0.6 * (np.hypot(x / rng.uniform(0.5, 1), y / rng.uniform(0.5, 1)) < 1)
    for _ in range(int(rng.integers(1, 9))):
        centre, size = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.03, 0.4, 2)
        picture += rng.uniform(-0.5, 0.5) * (
            np.hypot((x - centre[0]) / size[0], (y - centre[1]) / size[1]) < 1
        )
    return (picture + _grain(rng)).astype(np.float32)


LEARNED: dict[str, Drawing] = {
    drawing.__name__: drawing for drawing in (noise, clouds, gradient, page, limb, skull, belly)
}
"""The kinds of training."""

HELD_OUT: dict[str, Drawing] = {drawing.__name__: drawing for drawing in (stripes, hand, disc)}
"""The kinds for measuring only: whether the network generalises to kinds that it did not learn."""


def draw(drawings: dict[str, Drawing], count: int, rng: np.random.Generator) -> dict[str, NDArray[np.uint8]]:
    """Draw *count* images of each kind, uint8 (count, 224, 224), darkest 0 and brightest 255."""
    return {
        name: np.stack([_as_bytes(drawing(rng)) for _ in range(count)]) for name, drawing in drawings.items()
    }


def _as_bytes(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.percentile(picture, (0.2, 99.8))
    return np.asarray(np.clip((picture - low) / max(1e-6, high - low), 0, 1) * 255, dtype=np.uint8)


def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[-1 : 1 : INPUT_SIZE * 1j, -1 : 1 : INPUT_SIZE * 1j]
    return y, x


def _turned(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = _grid()
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)


def _bump(distance: NDArray[np.float64], power: int) -> NDArray[np.float64]:
    return np.exp(-(np.abs(distance) ** power))


def _bone(distance: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the shaft of a bone: its edges are brighter than its marrow."""
    return 0.5 * _bump(distance, 6) + rng.uniform(0, 0.5) * _bump((np.abs(distance) - 0.85) / 0.2, 2)


def _grain(rng: np.random.Generator) -> NDArray[np.float32]:
    coarse = _enlarged(rng.normal(size=(14, 14)))
    fine = rng.normal(size=(INPUT_SIZE, INPUT_SIZE))
    return (rng.uniform(0, 0.08) * coarse + rng.uniform(0, 0.08) * fine).astype(np.float32)


def _enlarged(small: NDArray[np.float64]) -> NDArray[np.float32]:
    image = Image.fromarray(small.astype(np.float32))
    return np.asarray(image.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BICUBIC), dtype=np.float32)
