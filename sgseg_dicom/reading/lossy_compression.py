"""What an image says of the loss in its pixels, completed by the way in which it came (PS3.3 C.7.6.1.1.5)."""

from pydicom import Dataset, FileDataset, uid
from pydicom.uid import UID

from sgseg_dicom.attributes import LOSS_KEYWORDS, text_of

# JPEG 2000 and HTJ2K may be lossless under the same transfer syntax: of these only the image itself can tell.
_METHODS: dict[UID, str] = {
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
}


def state_loss(header: Dataset, ds: FileDataset) -> None:
    """
    Let *header* say "01" where the transfer syntax of *ds* loses something, and nothing where it says no term.

    Results copy it: an empty value would be written into them, and an absent one reads as "nothing was lost".
    A ratio that is not stated is that of the pixel data at hand, where these are.
    """
    if text_of(header, "LossyImageCompression") not in ("00", "01"):
        for keyword in LOSS_KEYWORDS:
            header.pop(keyword, None)
    method = _METHODS.get(UID(str(ds.file_meta.get("TransferSyntaxUID", ""))))
    if method is None:
        return
    header.LossyImageCompression = "01"
    if not text_of(header, "LossyImageCompressionMethod"):
        header.LossyImageCompressionMethod = method
    ratio = _ratio(ds)
    if not text_of(header, "LossyImageCompressionRatio") and ratio is not None:
        header.LossyImageCompressionRatio = ratio


def _ratio(ds: FileDataset) -> float | None:
    held = ds.get("PixelData")
    if not held:
        return None
    ratio: float = round(ds.Rows * ds.Columns * ds.BitsAllocated / 8 / len(held), 2)
    return ratio
