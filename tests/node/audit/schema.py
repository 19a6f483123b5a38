"""
What the schema of DICOM audit messages (PS3.15 A.5.1.1) demands, as data: elements, their order, attributes, values.

The standard gives it in RELAX NG. Only what our messages can have stands here; anything else is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

_ANY = ".*"
_TOKEN = r"\S(?:.*\S)?"
_UID = r"[0-9.]{1,64}"
_BOOL = "true|false|1|0"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"
_CODED = {"csd-code": _TOKEN, "codeSystemName": _TOKEN, "originalText": _TOKEN}


@dataclass(frozen=True)
class Rule:
    """One element: its children as a pattern over their names, and its attributes as patterns over their values."""

    children: str = ""
    required: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)


RULES = {
    "AuditMessage": Rule(
        r"EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification )*"
    ),
    "EventIdentification": Rule(
        r"EventID (EventTypeCode )*(EventOutcomeDescription )?",
        {"EventDateTime": _TIME, "EventOutcomeIndicator": "0|4|8|12"},
        {"EventActionCode": "[CRUDE]"},
    ),
    "EventID": Rule("", _CODED),
    "EventTypeCode": Rule("", _CODED),
    "EventOutcomeDescription": Rule(),
    "ActiveParticipant": Rule(
        r"(RoleIDCode )*",
        {"UserID": _ANY, "UserIsRequestor": _BOOL},
        {
            "AlternativeUserID": _ANY,
            "UserName": _ANY,
            "NetworkAccessPointID": _TOKEN,
            "NetworkAccessPointTypeCode": "[1-5]",
        },
    ),
    "RoleIDCode": Rule("", _CODED),
    "AuditSourceIdentification": Rule(
        r"(AuditSourceTypeCode )*", {"AuditSourceID": _TOKEN}, {"AuditEnterpriseSiteID": _TOKEN}
    ),
    "AuditSourceTypeCode": Rule("", {"csd-code": "[1-9]"}),
    "ParticipantObjectIdentification": Rule(
        r"ParticipantObjectIDTypeCode ParticipantObjectName (ParticipantObjectDetail )*"
        r"(ParticipantObjectDescription )*",
        {"ParticipantObjectID": _TOKEN},
        {
            "ParticipantObjectTypeCode": "[1-4]",
            "ParticipantObjectTypeCodeRole": "[1-9]|1[0-9]|2[0-6]",
            "ParticipantObjectDataLifeCycle": "[1-9]|1[0-5]",
        },
    ),
    "ParticipantObjectIDTypeCode": Rule("", _CODED),
    "ParticipantObjectName": Rule(),
    "ParticipantObjectDescription": Rule(r"(SOPClass )*"),
    "SOPClass": Rule(r"(Instance )*", {"NumberOfInstances": r"\d+"}, {"UID": _UID}),
    "Instance": Rule("", {"UID": _UID}),
}

CODES = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110113": "Security Alert",
    "110120": "Application Start",
    "110121": "Application Stop",
    "110126": "Node Authentication",
    "110133": "Audit Recording Stopped",
    "110150": "Application",
    "110152": "Destination Role ID",
    "110153": "Source Role ID",
    "110180": "Study Instance UID",
}
"""Code Value and Code Meaning of PS3.16 Annex D."""


def violations(element: Element) -> Iterator[str]:
    """Name each place where a message breaks the schema."""
    rule = RULES.get(element.tag)
    if rule is None:
        yield f"{element.tag} is unknown"
        return
    children = "".join(f"{child.tag} " for child in element)
    if not re.fullmatch(rule.children, children):
        yield f"{element.tag} has {children}"
    allowed = {**rule.required, **rule.optional}
    for name in rule.required.keys() - element.keys():
        yield f"{element.tag} has no {name}"
    for name, value in element.items():
        if name not in allowed or not re.fullmatch(allowed[name], value):
            yield f"{element.tag} {name} is {value!r}"
    if element.get("codeSystemName") == "DCM" and CODES.get(element.get("csd-code", "")) != element.get(
        "originalText"
    ):
        yield f"{element.tag} has another meaning"
    for child in element:
        yield from violations(child)
