"""
Events as DICOM audit messages (PS3.15 A.5, schema in A.5.1).

The profile wants the patient in some of them. The trail knows no patient, so no message names one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

Event = Mapping[str, Any]

_CODES = {
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
"""PS3.16 D: code values of DCM."""

_SUCCESS, _MINOR, _SERIOUS = "0", "4", "8"
_UNKNOWN = "unknown"
"""Study of an image that was not judged: nothing has read it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """
    Names of the site.

    Attributes:
        ae_title: ours.
        machine: name of this machine.
        peers: by the name of a destination: its AE title or URL, and its host or "".
    """

    ae_title: str
    machine: str
    peers: Mapping[str, tuple[str, str]]


def message(event: Event, site: Site) -> str:
    """Write one event as one line of XML."""
    root = Element("AuditMessage")
    _WRITERS.get(event["event"], _write_log_used)(root, event, site)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=f"{site.ae_title}@{site.machine}")
    SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})  # application server process
    for study in root.findall("ParticipantObjectIdentification"):  # the schema wants them last
        root.remove(study)
        root.append(study)
    return ElementTree.tostring(root, encoding="unicode")


def _write_activity(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.1."""
    kind = "110120" if event["event"] == "started" else "110121"
    _identify(root, event, "110100", "E", kind=kind)
    _ours(root, site, role="110150", requestor=False, also=event.get("role", ""))


def _write_received(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.7: C where we had no copy, R where we had this one already."""
    refused = event["event"] == "not_taken"
    conflicting = event.get("how") == "conflicting"
    _identify(
        root,
        event,
        "110104",
        "R" if event.get("how") == "known" else "C",
        outcome=_SERIOUS if refused else _MINOR if conflicting else _SUCCESS,
        description=f"C-STORE status {event['status']}" if refused else "conflicting" if conflicting else "",
    )
    _peer(root, event.get("sender", ""), event.get("address", ""), role="110153", requestor=True)
    _ours(root, site, role="110152", requestor=False)
    _study(root, event, [["", event["image"]]] if event.get("image") else [])


def _write_answered(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.6: the image was read, and how that ended."""
    ending = event.get("ending", "")
    how = f"{ending}: {event['reason']}" if event.get("reason") else ending
    outcome = _SERIOUS if ending == "failed" else _MINOR if ending == "quarantined" else _SUCCESS
    _identify(root, event, "110103", "R", outcome=outcome, description=how)
    _ours(root, site, role="110150", requestor=True)
    _study(root, event, [["", event["image"]]])


def _write_sent(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.7: results went to a destination, or did not."""
    well = event["event"] == "delivered"
    outcome = _SUCCESS if well else _SERIOUS
    _identify(root, event, "110104", "C", outcome=outcome, description="" if well else event["event"])
    _ours(root, site, role="110153", requestor=True)
    name, host = site.peers.get(event["destination"], (event["destination"], ""))
    _peer(root, name, host, role="110152", requestor=False)
    _study(root, event, event.get("objects", []))


def _write_rejected(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.11: somebody was not let in."""
    times = f", {event['times']} times" if event.get("times") else ""
    why = f"association rejected ({event.get('why', '')}){times}"
    _identify(root, event, "110113", "E", kind="110126", outcome=_MINOR, description=why)
    _ours(root, site, role="110150", requestor=False)
    _peer(root, event.get("sender", ""), event.get("address", ""), role="", requestor=True)


def _write_done(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.6: a person, or the node by its settings, did something about an image."""
    action = {"deleted": "D", "requeued": "U"}.get(event["event"], "R")
    why = event.get("why", "")
    _identify(root, event, "110103", action, description=f"{event['event']} {why}".strip())
    if event.get("user"):
        SubElement(root, "ActiveParticipant", UserID=event["user"], UserIsRequestor="true")
    _ours(root, site, role="110150", requestor=not event.get("user"))
    _study(root, event, [["", event["image"]]])


def _write_missed(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.11: events that could not be written."""
    why = f"{event.get('events', '')} events were not recorded"
    _identify(root, event, "110113", "E", kind="110133", outcome=_SERIOUS, description=why)
    _ours(root, site, role="110150", requestor=True)


def _write_log_used(root: Element, event: Event, site: Site) -> None:
    """PS3.15 A.5.3.2: the trail was read, mended, or a part of it deleted because its days were over."""
    _identify(root, event, "110101", "R", description=event["event"])
    user = event.get("user")
    if user:
        SubElement(root, "ActiveParticipant", UserID=user, UserIsRequestor="true")
    _ours(root, site, role="110150", requestor=not user)
    log = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=event.get("file", "audit"),
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="13",
    )
    kind = {"csd-code": "12", "codeSystemName": "RFC-3881", "originalText": "URI"}
    SubElement(log, "ParticipantObjectIDTypeCode", kind)
    SubElement(log, "ParticipantObjectName").text = "Security Audit Log"


_WRITERS: Mapping[str, Callable[[Element, Event, Site], None]] = {
    **dict.fromkeys(("started", "stopped"), _write_activity),
    **dict.fromkeys(("received", "not_taken"), _write_received),
    "answered": _write_answered,
    **dict.fromkeys(("delivered", "refused", "given_up"), _write_sent),
    "rejected": _write_rejected,
    **dict.fromkeys(("deleted", "requeued", "acknowledged"), _write_done),
    "missed": _write_missed,
}


def _identify(
    root: Element,
    event: Event,
    code: str,
    action: str,
    *,
    kind: str = "",
    outcome: str = _SUCCESS,
    description: str = "",
) -> None:
    found = SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=event["at"],
        EventOutcomeIndicator=outcome,
    )
    SubElement(found, "EventID", _code(code))
    if kind:
        SubElement(found, "EventTypeCode", _code(kind))
    if description:
        SubElement(found, "EventOutcomeDescription").text = description


def _ours(root: Element, site: Site, *, role: str, requestor: bool, also: str = "") -> None:
    """Name this node as a participant: AE title, machine."""
    one = SubElement(
        root,
        "ActiveParticipant",
        UserID=f"sgseg-node {also}".strip(),
        AlternativeUserID=f"AETITLES={site.ae_title}",
        UserIsRequestor=_written(requestor),
        NetworkAccessPointID=site.machine,
        NetworkAccessPointTypeCode="1",
    )
    SubElement(one, "RoleIDCode", _code(role))


def _peer(root: Element, name: str, address: str, *, role: str, requestor: bool) -> None:
    """Name the other side: its AE title or URL, and its address where that is known."""
    one = SubElement(
        root, "ActiveParticipant", UserID=name or address or _UNKNOWN, UserIsRequestor=_written(requestor)
    )
    if name and "://" not in name:
        one.set("AlternativeUserID", f"AETITLES={name}")
    if address:
        is_number = address.replace(".", "").isdigit() or ":" in address
        one.set("NetworkAccessPointID", address)
        one.set("NetworkAccessPointTypeCode", "2" if is_number else "1")
    if role:
        SubElement(one, "RoleIDCode", _code(role))


def _study(root: Element, event: Event, objects: list[list[str]]) -> None:
    """Name the study, and in it the objects: SOP Class UID, or "" where it is not known, and SOP Instance UID."""
    study = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=event.get("study") or _UNKNOWN,
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="3",
    )
    SubElement(study, "ParticipantObjectIDTypeCode", _code("110180"))
    SubElement(study, "ParticipantObjectName").text = "study"
    if not objects:
        return
    description = SubElement(study, "ParticipantObjectDescription")
    for sop_class, instance in objects:
        known = {"UID": sop_class} if sop_class else {}
        one = SubElement(description, "SOPClass", {**known, "NumberOfInstances": "1"})
        SubElement(one, "Instance", UID=instance)


def _code(value: str) -> dict[str, str]:
    return {"csd-code": value, "codeSystemName": "DCM", "originalText": _CODES[value]}


def _written(value: bool) -> str:
    return "true" if value else "false"
