"""A film without a header: PNG, JPEG or numbers in, a radiograph out, or a clear word why not."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sgseg_dicom.applicability.header_rules import require_applicable
from sgseg_dicom.errors import (
    InstanceError,
    InvalidDataset,
    NotApplicable,
    UndecodablePixels,
    UnsupportedObject,
)
from sgseg_dicom.language.language import ENGLISH
from sgseg_dicom.reading.film import film_object, film_of_array, read_any
from sgseg_dicom.reading.picture_file import read_picture
from sgseg_dicom.results.write import write as written
from tests.support.builders import chest_radiograph, synthetic_chest, write

CHEST = (synthetic_chest((240, 200)) >> 4).astype(np.uint8)


def saved(image, folder, name="film.png", **options):
    image.save(folder / name, **options)
    return folder / name


def film(array=CHEST, mode=None):
    image = Image.fromarray(array)
    return image.convert(mode) if mode else image


def grey(radiograph):
    return np.rint(radiograph.pixels * 255).astype(int)


@pytest.mark.parametrize("name", ["film.png", "film.jpg", "film", "film.dcm"])
def test_a_grey_film_is_read_as_it_is_displayed(name, tmp_path):
    """Whatever its name: from its least to its greatest value, as an image without a window."""
    kind = "JPEG" if name == "film.jpg" else "PNG"
    path = saved(film(), tmp_path, name, format=kind, **({"quality": 100} if kind == "JPEG" else {}))
    low, high = int(CHEST.min()), int(CHEST.max())

    radiograph = read_any(path)

    expected = (CHEST.astype(float) - low) / (high - low) * 255
    assert np.abs(grey(radiograph) - expected).max() <= (4 if kind == "JPEG" else 1)
    assert not radiograph.pixels.flags.writeable


def test_sixteen_bits_are_kept(tmp_path):
    """A PNG of 16 bits has more greys than the eye sees, and the model sees them."""
    values = synthetic_chest((240, 200))
    path = saved(Image.fromarray(values), tmp_path)

    assert (read_picture(path).codes == values).all()
    assert len(np.unique(read_any(path).pixels)) > 256


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_grey_film_in_colours_is_a_grey_film(mode, tmp_path):
    """Many programs write every picture so; what is opaque has no hidden part."""
    path = saved(film(mode="RGB").quantize(256) if mode == "P" else film(mode=mode), tmp_path)

    assert np.abs(read_picture(path).codes.astype(int) - CHEST).max() <= (8 if mode == "P" else 0)


def test_dicom_is_read_as_dicom(tmp_path):
    """Also where its name ends .png."""
    path = write(chest_radiograph(seed=4), tmp_path / "image.png")

    assert read_any(path).header.SOPInstanceUID == chest_radiograph(seed=4).SOPInstanceUID


def test_nothing_states_the_sides_of_a_film_and_that_is_said(tmp_path):
    """It is held to what an image without stated sides is, and its results begin with it."""
    radiograph = read_any(saved(film(), tmp_path))

    require_applicable(radiograph)
    assert not radiograph.display.sides_are_stated
    assert "tells right from left" in ENGLISH.caution(radiograph)[0]


def colour_photo():
    photo = np.zeros((240, 200, 3), np.uint8)
    photo[..., 0], photo[..., 2] = CHEST, 255 - CHEST
    return Image.fromarray(photo)


def see_through():
    image = film(mode="LA")
    image.putpixel((5, 5), (90, 0))
    return image


def exif(orientation):
    note = Image.Exif()
    note[0x0112] = orientation
    return note


ANIMATED = {"save_all": True, "append_images": [film(255 - CHEST)]}
REFUSED = {
    "colour photo": (colour_photo, "film.jpg", {}, UnsupportedObject, "colour"),
    "colour palette": (lambda: colour_photo().quantize(64), "film.png", {}, UnsupportedObject, "colour"),
    "transparent": (see_through, "film.png", {}, UnsupportedObject, "transparent"),
    "CMYK": (lambda: film(mode="RGB").convert("CMYK"), "film.jpg", {}, UnsupportedObject, "CMYK"),
    "two greys": (lambda: film(mode="1"), "film.png", {}, UnsupportedObject, "black and white"),
    "mirrored by a note": (film, "film.jpg", {"exif": exif(2)}, UnsupportedObject, "mirrored"),
    "several": (film, "film.png", ANIMATED, UnsupportedObject, "several"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_radiograph_is_has_a_clear_line(case, tmp_path):
    """Refused and never guessed; the message says what to do."""
    make, name, options, error, word = REFUSED[case]
    path = saved(make(), tmp_path, name, **options)

    with pytest.raises(error, match=word):
        read_any(path)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_film_that_a_note_turns_is_turned(orientation, tmp_path):
    """As every program shows it. A turned film would lie on its side else."""
    turned = film().transpose({3: 3, 6: 2, 8: 4}[orientation])
    path = saved(turned, tmp_path, "film.png", exif=exif(orientation))

    np.testing.assert_array_equal(read_picture(path).codes, CHEST)


def test_a_text_file_named_png_is_named_for_what_it_is(tmp_path):
    """Its name decides nothing."""
    (tmp_path / "note.png").write_text("no film")

    with pytest.raises(InvalidDataset, match="neither DICOM, PNG nor JPEG"):
        read_any(tmp_path / "note.png")


@pytest.mark.parametrize("name", ["film.png", "film.jpg"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_a_film_that_is_cut_off_is_refused(name, share, tmp_path):
    """The rest would be grey, and grey is what an opacity is."""
    path = saved(film(), tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: max(9, int(share * len(content)))])

    with pytest.raises(UndecodablePixels, match="damaged"):
        read_any(path)


def test_one_pixel_is_no_radiograph(tmp_path):
    """It is refused as a DICOM of that size is."""
    path = saved(film(CHEST[:1, :1]), tmp_path)

    with pytest.raises(NotApplicable, match="pixels"):
        require_applicable(read_any(path))


def bomb(side):
    """Give a PNG of some bytes that claims *side* x *side* pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    end = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + end


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [11_000, 60_000])
def test_a_film_is_measured_before_it_is_decoded(side, tmp_path, monkeypatch):
    """A kilobyte can claim gigabytes."""
    (tmp_path / "bomb.png").write_bytes(bomb(side))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))

    with pytest.raises(UndecodablePixels, match="pixels"):
        read_any(tmp_path / "bomb.png")


def test_room_is_asked_for_before_a_film_is_decoded(tmp_path):
    """As for DICOM: the caller knows how much memory there is."""
    asked = []

    read_any(saved(film(), tmp_path), require_room=asked.append)

    assert asked == [CHEST.size]


@pytest.mark.parametrize(
    "array",
    [
        CHEST,
        CHEST.astype(np.int64),
        CHEST / 255,
        np.stack([CHEST] * 3, axis=-1),
        CHEST.astype(np.float32) * 7,
    ],
)
def test_numbers_are_a_film_too(array):
    """Whole numbers, or floats over any range, as the same film."""
    np.testing.assert_allclose(film_of_array(array).pixels, film_of_array(CHEST).pixels, atol=1e-4)


@pytest.mark.parametrize(
    "array",
    [
        np.full((70, 70), -1),
        np.full((70, 70), np.nan),
        np.zeros((2, 70, 70), np.uint8),
        np.array("film"),
        CHEST > 9,
        np.zeros((0, 0), np.uint8),
        np.full((70, 70), 70000),
    ],
)
def test_numbers_that_are_no_film_are_refused(array):
    """With what would be right."""
    with pytest.raises(UnsupportedObject, match="give"):
        film_of_array(array)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_object_of_a_film_is_the_film(bits, tmp_path):
    """Written as DICOM and read again it is the same radiograph, under the UIDs that results refer to."""
    values = CHEST if bits == 8 else synthetic_chest((241, 199))
    path = saved(Image.fromarray(values), tmp_path)
    from_film = read_any(path)

    (tmp_path / "film.dcm").write_bytes(written(film_object(read_picture(path))).content)
    from_object = read_any(tmp_path / "film.dcm")

    np.testing.assert_array_equal(from_object.pixels, from_film.pixels)
    assert from_object.sop_instance_uid == from_film.sop_instance_uid
    assert not from_object.display.sides_are_stated


def test_the_same_film_has_the_same_uids_and_another_one_others():
    """By its pixels alone, wherever it lies."""
    one, same, other = (film_of_array(array).sop_instance_uid for array in (CHEST, CHEST.copy(), 255 - CHEST))

    assert one == same
    assert one != other


def test_damaged_bytes_of_a_film_never_end_in_a_defect(tmp_path):
    """Each byte of the beginning changed: a film, or an error of the instance."""
    file = BytesIO()
    film(CHEST[:64, :64]).save(file, "PNG")
    path = tmp_path / "film.png"
    for place in range(8, 60):
        content = bytearray(file.getvalue())
        content[place] ^= 0x55
        path.write_bytes(bytes(content))
        try:
            read_any(path)
        except InstanceError:
            continue
