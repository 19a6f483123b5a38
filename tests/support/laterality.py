"""The codes of the patient's sides (PS3.16 CID 244), written out: the tests must not take them from the code."""

from sgseg_dicom.zones import Laterality

RIGHT_CODE, LEFT_CODE = "24028007", "7771000"
"""SNOMED CT, Right and Left."""

SIDE_OF_CODE = {RIGHT_CODE: Laterality.RIGHT, LEFT_CODE: Laterality.LEFT}
