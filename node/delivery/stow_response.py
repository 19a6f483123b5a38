"""The report of a STOW-RS service on the objects of a request, and the meaning of its failure reasons."""

from pydantic import BaseModel, Field

OUT_OF_RESOURCES = (*range(0xA700, 0xA800), 0xB00F)
"""Temporary Failure Reasons (PS3.18 I.2.2); B00F of Azure's service: another request stores the object just now."""

DUPLICATES = (0x0111, 0xB00E)
"""Failure Reasons which mean that the service already has the object (PS3.7 C.5.6; B00E of Azure's service)."""

_PROCESSING_FAILURE = 0x0110


class _Texts(BaseModel):
    """An element of the DICOM JSON model (PS3.18 F.2.2) whose values are texts."""

    Value: tuple[str, ...] = ()


class _Numbers(BaseModel):
    """An element whose values are numbers."""

    Value: tuple[int, ...] = ()


class _Item(BaseModel):
    """One object in a report."""

    uid: _Texts = Field(default=_Texts(), alias="00081155")
    reason: _Numbers = Field(default=_Numbers(), alias="00081197")


class _Items(BaseModel):
    """An element whose values are items: a sequence."""

    Value: tuple[_Item, ...] = ()


class Report(BaseModel):
    """
    Store Instances Response Module (PS3.18 I.2): Failed, Referenced and Other Failures Sequence.

    `Report.model_validate_json` raises ValidationError, and nothing else, where the text is no such report.
    """

    failed_items: _Items = Field(default=_Items(), alias="00081198")
    stored_items: _Items = Field(default=_Items(), alias="00081199")
    other_failures: _Items = Field(default=_Items(), alias="0008119A")

    @property
    def reasons(self) -> list[int]:
        """Failure Reason of each object that failed; without one, it counts as a processing failure."""
        items = self.failed_items.Value + self.other_failures.Value
        return [reason for item in items for reason in item.reason.Value or (_PROCESSING_FAILURE,)]

    @property
    def duplicates(self) -> set[str]:
        """SOP Instance UID of each object that failed because the service has it already."""
        return {
            uid
            for item in self.failed_items.Value
            if item.reason.Value and set(item.reason.Value) <= set(DUPLICATES)
            for uid in item.uid.Value
        }

    @property
    def stored(self) -> set[str]:
        """SOP Instance UID of each object that is stored, with a warning or without."""
        return {uid for item in self.stored_items.Value for uid in item.uid.Value}
