"""A stored file becomes a Radiograph: header, greyscale, padding, spacing, refusals."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.uid import (
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from sgseg_dicom.errors import InvalidDataset, UndecodablePixels, UnsupportedObject
from sgseg_dicom.reading.read import read
from sgseg_dicom.records import Radiograph
from tests.support.builders import SOP_CLASSES, chest_radiograph, stored_values, synthetic_chest, write

RAMP = np.linspace(0, 4095, 80 * 100).astype(np.uint16).reshape(80, 100)
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}


def read_dataset(ds: Dataset, folder: Path, **options: object) -> Radiograph:
    return read(write(ds, folder / "radiograph.dcm", **options))


def lut(entries: object, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return item


@pytest.mark.parametrize("kind", SOP_CLASSES)
def test_every_kind_of_radiograph_is_read(kind: str, tmp_path: Path) -> None:
    """CR, DX for presentation and processing, and secondary captures of one frame are read."""
    radiograph = read_dataset(chest_radiograph(kind=kind), tmp_path)

    assert radiograph.pixels.shape == (256, 224)
    assert np.float32 == radiograph.pixels.dtype
    assert radiograph.pixels.min() >= 0
    assert radiograph.pixels.max() <= 1
    assert not radiograph.pixels.flags.writeable


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    """A MONOCHROME1 image reads the same as its MONOCHROME2 negative: bone is bright in both."""
    one = read_dataset(chest_radiograph(PhotometricInterpretation="MONOCHROME1", pixels=RAMP), tmp_path)
    two = read_dataset(
        chest_radiograph(PhotometricInterpretation="MONOCHROME2", pixels=4095 - RAMP), tmp_path
    )

    np.testing.assert_allclose(two.pixels, one.pixels, atol=1e-6)


@pytest.mark.parametrize(
    ("photometric", "shape", "sign", "inverted"),
    [
        ("MONOCHROME2", "IDENTITY", None, False),
        ("MONOCHROME2", None, None, False),
        ("MONOCHROME1", "INVERSE", None, True),
        ("MONOCHROME1", None, None, True),
        ("MONOCHROME2", "INVERSE", None, True),
        ("MONOCHROME1", "IDENTITY", None, True),
        ("MONOCHROME1", "IDENTITY", -1, False),
        ("MONOCHROME2", "INVERSE", 1, True),
        ("MONOCHROME2", "IDENTITY", 1, False),
    ],
)
def test_an_image_is_inverted_once_or_not_at_all(
    photometric: str, shape: str | None, sign: int | None, inverted: bool, tmp_path: Path
) -> None:
    """The shape is no second inversion; where it contradicts, the intensity sign decides if there is one."""
    ds = chest_radiograph(
        pixels=RAMP,
        PhotometricInterpretation=photometric,
        PresentationLUTShape=shape,
        PixelIntensityRelationshipSign=sign,
    )

    radiograph = read_dataset(ds, tmp_path)

    assert inverted == (radiograph.pixels[0, 0] > radiograph.pixels[-1, -1])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", [0.0, 0.0, (1000 - 999.5) / 999 + 0.5, 1.0]),
        ("LINEAR_EXACT", [0.0, 0.0, 0.5, 1.0]),
        ("SIGMOID", [1 / (1 + np.exp(4.0)), 1 / (1 + np.exp(2.0)), 0.5, 1 / (1 + np.exp(-4.0))]),
    ],
)
def test_a_window_follows_its_function(function: str, expected: list[float], tmp_path: Path) -> None:
    """LINEAR, LINEAR_EXACT and SIGMOID give the greys of PS3.3 C.11.2.1."""
    pixels = np.tile(np.array([0, 500, 1000, 2000], np.uint16), (70, 20))
    ds = chest_radiograph(pixels=pixels, WindowCenter=1000, WindowWidth=1000, VOILUTFunction=function)

    np.testing.assert_allclose(read_dataset(ds, tmp_path).pixels[0, :4], expected, atol=1e-6)


def test_the_first_of_several_windows_is_applied(tmp_path: Path) -> None:
    """The sender's first window is its preferred view."""
    several = chest_radiograph(pixels=RAMP, WindowCenter=[1000, 3000], WindowWidth=[800, 400])
    first = chest_radiograph(pixels=RAMP, WindowCenter=1000, WindowWidth=800)

    np.testing.assert_array_equal(
        read_dataset(first, tmp_path).pixels, read_dataset(several, tmp_path).pixels
    )


def test_what_stands_behind_the_first_window_does_not_matter(tmp_path: Path) -> None:
    """Some devices end the list with a backslash: the window before it is a window."""
    ds = chest_radiograph(pixels=RAMP, WindowCenter=1000, WindowWidth=800)
    for keyword in ("WindowCenter", "WindowWidth"):
        ds[keyword] = DataElement(keyword, "DS", f"{ds[keyword].value}\\")
    first = chest_radiograph(pixels=RAMP, WindowCenter=1000, WindowWidth=800)

    np.testing.assert_array_equal(read_dataset(first, tmp_path).pixels, read_dataset(ds, tmp_path).pixels)


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (16, 4095), (13, 8191)])
def test_a_table_of_fewer_bits_than_it_says_is_not_dark(bits: int, white: int, tmp_path: Path) -> None:
    """Entries of 12 bits under a LUT Descriptor of 16 would be nearly black."""
    ds = chest_radiograph(pixels=RAMP, **NO_WINDOW, VOILUTSequence=[lut(np.arange(4096), 0, bits)])

    np.testing.assert_allclose(read_dataset(ds, tmp_path).pixels, RAMP / white, atol=1e-6)


@pytest.mark.parametrize("photometric", [None, ""])
def test_without_a_polarity_nothing_is_read(photometric: str | None, tmp_path: Path) -> None:
    """Photometric Interpretation is type 1: guessed wrongly, lungs are white and infection is dark."""
    ds = chest_radiograph(PhotometricInterpretation=photometric)

    with pytest.raises(InvalidDataset, match="low values are black or white"):
        read_dataset(ds, tmp_path)


@pytest.mark.parametrize("window", [(30000, 100), (2000, 0), (2000, 1), (-9000, 400)])
def test_a_window_that_shows_nothing_gives_way_to_the_range_of_the_image(
    window: tuple[int, int], tmp_path: Path
) -> None:
    """A window that makes everything black or white, or has no width, is not believed."""
    ds = chest_radiograph(pixels=RAMP, WindowCenter=window[0], WindowWidth=window[1])

    np.testing.assert_allclose(read_dataset(ds, tmp_path).pixels, RAMP / 4095, atol=1e-6)


def test_without_a_window_the_range_of_the_image_is_shown(tmp_path: Path) -> None:
    """The least value that occurs is black, the greatest white."""
    pixels = RAMP // 4 + 1000

    radiograph = read_dataset(chest_radiograph(pixels=pixels, **NO_WINDOW), tmp_path)

    np.testing.assert_allclose(radiograph.pixels, (pixels - 1000.0) / (4095 // 4), atol=1e-6)


def test_a_window_counts_in_rescaled_units(tmp_path: Path) -> None:
    """Rescale comes before the window (PS3.3 C.11.2.1.2)."""
    ds = chest_radiograph(
        kind="CR", pixels=RAMP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=400
    )
    plain = chest_radiograph(kind="CR", pixels=RAMP, WindowCenter=1000, WindowWidth=200)

    rescaled = read_dataset(ds, tmp_path).pixels

    np.testing.assert_allclose(rescaled, read_dataset(plain, tmp_path).pixels, atol=0.01)
    assert np.count_nonzero(rescaled == 0) > 0


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_lookup_table_is_applied(keyword: str, syntax: str, tmp_path: Path) -> None:
    """Table entries are looked up from the first mapped value on; values beyond take the end entries."""
    entries = 1000 - np.arange(1001)  # falling, so that a table that was passed over would show
    ds = chest_radiograph(kind="CR", pixels=RAMP, **NO_WINDOW, **{keyword: [lut(entries, 1500, 10)]})
    expected = 1000.0 - np.clip(RAMP.astype(int) - 1500, 0, 1000)

    pixels = read_dataset(ds, tmp_path, transfer_syntax=syntax).pixels

    whole = 1000.0 if keyword == "ModalityLUTSequence" else 1023.0
    np.testing.assert_allclose(pixels, expected / whole, atol=1e-5)


def test_a_lookup_table_of_8_bits_maps_12_bit_values(tmp_path: Path) -> None:
    """4,096 entries of 8 bits: the index is not cut to 8 bits (pydicom's apply_voi does that)."""
    ds = chest_radiograph(pixels=RAMP, **NO_WINDOW, VOILUTSequence=[lut(np.arange(4096) // 16, 0, 8)])

    np.testing.assert_allclose(read_dataset(ds, tmp_path).pixels, (RAMP // 16) / 255, atol=1e-6)


def test_a_raw_image_is_shown_from_half_a_per_cent_on(tmp_path: Path) -> None:
    """Dead pixels and direct exposure do not press the anatomy of a FOR PROCESSING image together."""
    pixels = RAMP // 8 + 1000
    pixels[0, :10], pixels[-1, :10] = 0, 60000

    radiograph = read_dataset(chest_radiograph(kind="DX for processing", pixels=pixels), tmp_path)

    assert radiograph.pixels[40, 50] == pytest.approx(0.5, abs=0.02)


def test_a_raw_image_of_beam_intensity_shows_bone_bright(tmp_path: Path) -> None:
    """FOR PROCESSING with sign 1 has low values behind bone, whatever it says of display."""
    ds = chest_radiograph(
        kind="DX for processing",
        pixels=RAMP + 100,
        PixelIntensityRelationship="LIN",
        PixelIntensityRelationshipSign=1,
    )

    pixels = read_dataset(ds, tmp_path).pixels

    assert pixels[0, 0] == 1
    assert pixels[-1, -1] == 0
    assert pixels[10, 0] < 0.6  # by the logarithm an eighth of the way up in intensity is half the contrast


def test_padding_is_told_apart_and_left_out_of_the_range(tmp_path: Path) -> None:
    """Pixels with the Pixel Padding Value are no image."""
    pixels = RAMP // 2 + 500
    pixels[:, :10] = 4000

    radiograph = read_dataset(chest_radiograph(pixels=pixels, PixelPaddingValue=4000, **NO_WINDOW), tmp_path)

    assert radiograph.padding is not None
    np.testing.assert_array_equal(pixels == 4000, radiograph.padding)
    assert radiograph.pixels[~radiograph.padding].max() == 1


def test_padding_can_be_a_range(tmp_path: Path) -> None:
    """Every value from Pixel Padding Value to Pixel Padding Range Limit is padding, either way round."""
    ds = chest_radiograph(pixels=RAMP, PixelPaddingValue=300, PixelPaddingRangeLimit=100, **NO_WINDOW)

    padding = read_dataset(ds, tmp_path).padding

    np.testing.assert_array_equal((RAMP >= 100) & (RAMP <= 300), padding)


def test_a_padding_value_written_unsigned_matches_signed_pixels(tmp_path: Path) -> None:
    """63536 and -2000 are the same 16 bits."""
    pixels = RAMP.astype(np.int16) - 1000
    pixels[:5] = -2000
    ds = chest_radiograph(kind="CR", pixels=pixels, BitsStored=16, **NO_WINDOW)
    ds.add_new("PixelPaddingValue", "US", 63536)

    padding = read_dataset(ds, tmp_path).padding

    np.testing.assert_array_equal(pixels == -2000, padding)


def test_no_padding_pixel_means_no_padding(tmp_path: Path) -> None:
    """A Pixel Padding Value that no pixel has leaves padding None."""
    assert read_dataset(chest_radiograph(pixels=RAMP, PixelPaddingValue=50000), tmp_path).padding is None


def test_an_image_of_padding_alone_is_refused(tmp_path: Path) -> None:
    """There is no image to judge."""
    ds = chest_radiograph(pixels=np.full((80, 80), 7, np.uint16), PixelPaddingValue=7)

    with pytest.raises(UndecodablePixels, match="Padding"):
        read_dataset(ds, tmp_path)


@pytest.mark.parametrize(
    ("attributes", "spacing_mm", "at_detector"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3), True),
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.2, 0.2]}, (0.15, 0.15), False),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), True),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": None,
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            (0.2, 0.2),
            False,
        ),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": None}, (0.2, 0.2), True),
        # Written anew by an archive: no calibration, a rounding.
        (
            {
                "PixelSpacing": ["0.168", "0.168"],
                "ImagerPixelSpacing": ["0.16799999773502", "0.16799999773502"],
            },
            (0.168, 0.168),
            True,
        ),
        ({"PixelSpacing": [0.19, 0.19], "ImagerPixelSpacing": [0.2, 0.2]}, (0.19, 0.19), False),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), True),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": None}, None, False),
        ({"ImagerPixelSpacing": [-0.1, 0.1]}, None, False),
        ({"ImagerPixelSpacing": [0.1]}, None, False),
        ({"ImagerPixelSpacing": None}, None, False),
    ],
)
def test_spacing_is_known_only_if_positive(
    attributes: dict[str, object], spacing_mm: tuple[float, float] | None, at_detector: bool, tmp_path: Path
) -> None:
    """Pixel Spacing before Imager Pixel Spacing; zero, negative or halved values are no spacing."""
    radiograph = read_dataset(chest_radiograph(**attributes), tmp_path)

    assert spacing_mm == radiograph.spacing_mm
    assert at_detector is radiograph.spacing_at_detector


def test_a_spacing_that_is_no_number_is_no_spacing(tmp_path: Path) -> None:
    """An element that cannot be parsed is left out of the header; the image is still read."""
    path = write(chest_radiograph(ImagerPixelSpacing=[1.6, 1.6]), tmp_path / "radiograph.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.6\\1.6 ", b"1,6\\abc "))

    radiograph = read(path)

    assert radiograph.spacing_mm is None
    assert "ImagerPixelSpacing" not in radiograph.header


def test_the_header_has_no_pixels(tmp_path: Path) -> None:
    """Neither Pixel Data, nor overlays, nor the icon travel on."""
    icon = Dataset()
    icon.BitsAllocated = 8
    icon.PixelData = b"\0\0"
    ds = chest_radiograph(IconImageSequence=[icon])
    ds.add_new(0x60003000, "OW", b"\0\0")

    header = read_dataset(ds, tmp_path).header

    assert not {"PixelData", "IconImageSequence"} & {element.keyword for element in header}
    assert 0x60003000 not in header


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 192", "Müller^Jörg=山田"),
    ],
)
def test_text_is_decoded_and_can_be_written_again(character_set: object, name: str, tmp_path: Path) -> None:
    """Names come out as text in any character set, and go out in UTF-8 without loss."""
    ds = chest_radiograph(SpecificCharacterSet=character_set, PatientName=name, StudyDescription="Thorax")
    header = read_dataset(ds, tmp_path).header

    assert name == str(header.PatientName)
    header.file_meta = dcmread(tmp_path / "radiograph.dcm").file_meta
    header.save_as(tmp_path / "again.dcm", enforce_file_format=True)
    assert name == str(dcmread(tmp_path / "again.dcm").PatientName)
    assert name.encode("utf-8") in (tmp_path / "again.dcm").read_bytes()


@pytest.mark.parametrize("character_set", ["ISO_IR 6", "NONSENSE", "ISO_IR 192"])
def test_a_wrong_character_set_does_not_stop_reading(character_set: str, tmp_path: Path) -> None:
    """Bytes that the stated character set does not have are replaced, not fatal."""
    path = write(chest_radiograph(SpecificCharacterSet="ISO_IR 100", PatientName="Zoë^A"), tmp_path / "r.dcm")
    stated = character_set.ljust(10).encode()
    path.write_bytes(path.read_bytes().replace(b"CS\x0a\0ISO_IR 100", b"CS\x0a\0" + stated))

    assert str(read(path).header.PatientName).startswith("Zo")


def test_the_header_of_an_implicit_source_is_explicit(tmp_path: Path) -> None:
    """From implicit VR the ambiguous elements get the VR that their pixels ask for."""
    ds = chest_radiograph(kind="CR", pixels=RAMP.astype(np.int16) - 2000, PixelPaddingValue=-2000)

    header = read_dataset(ds, tmp_path, transfer_syntax=ImplicitVRLittleEndian).header

    assert header["PixelPaddingValue"].VR == "SS"
    assert header.PixelPaddingValue == -2000


@pytest.mark.parametrize(
    ("attributes", "error", "names"),
    [
        ({"SOPInstanceUID": None}, InvalidDataset, "SOPInstanceUID"),
        ({"StudyInstanceUID": ""}, InvalidDataset, "StudyInstanceUID"),
        ({"Rows": None}, InvalidDataset, "Rows"),
        ({"BitsStored": None}, InvalidDataset, "BitsStored"),
        ({"SOPClassUID": CTImageStorage}, UnsupportedObject, "CT Image Storage"),
        (
            {"SOPClassUID": DigitalMammographyXRayImageStorageForPresentation},
            UnsupportedObject,
            "Mammography",
        ),
        ({"Modality": "MG"}, UnsupportedObject, "MG"),
        ({"Modality": "US"}, UnsupportedObject, "US"),
        ({"NumberOfFrames": 2}, UnsupportedObject, "NumberOfFrames is not 1"),
        ({"PhotometricInterpretation": "RGB"}, UnsupportedObject, "RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, UnsupportedObject, "PALETTE COLOR"),
        ({"SamplesPerPixel": 3}, UnsupportedObject, "SamplesPerPixel is not 1"),
        ({"PixelData": None}, UndecodablePixels, "missing"),
        ({"PixelData": b""}, UndecodablePixels, "missing"),
        ({"PixelData": b"\0" * 100}, UndecodablePixels, "cut off"),
        ({"Rows": 65535, "Columns": 65535}, UndecodablePixels, "65535 x 65535"),
        ({"Rows": 0}, UndecodablePixels, "0 x"),
        ({"BitsAllocated": 32, "BitsStored": 32}, UndecodablePixels, "32"),
        ({"BitsStored": 17}, UndecodablePixels, "17"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_cause(
    attributes: dict[str, object], error: type[Exception], names: str, tmp_path: Path
) -> None:
    """The error's class is the cause, and the message names it without naming the patient."""
    ds = chest_radiograph()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
        if value is None:
            delattr(ds, keyword)

    with pytest.raises(error, match=names) as caught:
        read_dataset(ds, tmp_path)
    assert "Nobody" not in str(caught.value)
    assert "TEST0000" not in str(caught.value)


def test_an_image_under_another_uid_is_refused(tmp_path: Path) -> None:
    """What the C-STORE command called it is in the file meta information, and must be what the data set says."""
    path = write(chest_radiograph(), tmp_path / "x.dcm")
    ds = dcmread(path)
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.save_as(path)

    with pytest.raises(InvalidDataset, match="another SOP Instance UID"):
        read(path)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Modality", "DOE^JANE"),
        ("Modality", "DOE"),
        ("PhotometricInterpretation", "DOE JANE"),
        ("SamplesPerPixel", 4711),
        ("NumberOfFrames", 4711),
        ("SOPClassUID", "1.2.4711"),
    ],
)
def test_what_is_no_defined_term_is_not_quoted(keyword: str, value: object, tmp_path: Path) -> None:
    """A name or an id in the wrong attribute does not get into the message, and from there into logs."""
    ds = chest_radiograph()
    setattr(ds, keyword, value)

    with pytest.raises(UnsupportedObject) as caught:
        read_dataset(ds, tmp_path)
    assert not re.search("DOE|JANE|4711", str(caught.value))


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 not DICOM at all", b"\0" * 128 + b"DICM"])
def test_what_is_not_dicom_is_an_invalid_dataset(content: bytes, tmp_path: Path) -> None:
    """Bytes that are no DICOM file are said to be so."""
    path = tmp_path / "file.dcm"
    path.write_bytes(content)

    with pytest.raises(InvalidDataset):
        read(path)


def test_a_date_that_breaks_its_format_is_not_warned_of(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """A warning with the value in it would carry a birth date into the log."""
    path = write(chest_radiograph(PatientBirthDate="19600401"), tmp_path / "r.dcm")
    path.write_bytes(path.read_bytes().replace(b"19600401", b"1960-4-1"))
    recwarn.clear()

    read(path)

    assert not [warning for warning in recwarn if "1960" in str(warning.message)]


def test_reading_leaves_the_stored_values_in_their_order(tmp_path: Path) -> None:
    """Grey rises with the stored value of a MONOCHROME2 image, pixel for pixel."""
    ds = chest_radiograph(pixels=synthetic_chest(), **NO_WINDOW)

    pixels = read_dataset(ds, tmp_path).pixels

    stored = stored_values(ds).astype(np.float64)
    np.testing.assert_allclose(pixels, (stored - stored.min()) / np.ptp(stored), atol=1e-6)
