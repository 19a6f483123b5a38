"""Every event becomes a DICOM audit message that the schema allows."""

from xml.etree import ElementTree

import pytest

from node.audit import dicom_messages
from node.audit.dicom_messages import Site, message
from tests.node.audit.schema import violations

SITE = Site(
    ae_title="SGSEG",
    machine="node-1",
    peers={"PACS": ("ARCHIVE", "10.1.2.3"), "cloud": ("https://a.example/dicom-web", "")},
)
IDS = {"job": "ab-cd", "image": "1.2.3", "study": "1.2"}
SENT = {**IDS, "destination": "PACS", "objects": [["1.2.840.10008.5.1.4.1.1.66.4", "1.2.3.4"]]}

EVENTS = {
    "started": ({"role": "work"}, "110100", "0"),
    "stopped": ({"role": "receive"}, "110100", "0"),
    "received": ({**IDS, "sender": "ROOM", "address": "10.1.2.7", "how": "new"}, "110104", "0"),
    "received again": ({**IDS, "sender": "ROOM", "address": "fe80::1", "how": "known"}, "110104", "0"),
    "received, conflicting": ({**IDS, "sender": "ROOM", "how": "conflicting"}, "110104", "4"),
    "received, not judged yet": (
        {"job": "x", "image": "1.2", "sender": "<R&M>", "how": "new"},
        "110104",
        "0",
    ),
    "not_taken": ({"image": "1.2", "sender": "ROOM", "address": "10.1.2.7", "status": "A700"}, "110104", "8"),
    "not_taken, without UID": ({"sender": "ROOM", "address": "10.1.2.7", "status": "C000"}, "110104", "8"),
    "answered": ({**IDS, "ending": "finding"}, "110103", "0"),
    "answered, failed": ({**IDS, "ending": "failed", "reason": "InvalidResult"}, "110103", "8"),
    "answered, quarantined": ({**IDS, "ending": "quarantined", "reason": "X"}, "110103", "4"),
    "delivered": (SENT, "110104", "0"),
    "delivered to the web": ({**SENT, "destination": "cloud"}, "110104", "0"),
    "refused": ({**SENT, "destination": "gone"}, "110104", "8"),
    "given_up": (SENT, "110104", "8"),
    "rejected": (
        {"sender": "X", "called": "Y", "address": "10.9.9.9", "why": "1/1/3", "times": 7},
        "110113",
        "4",
    ),
    "rejected, all": ({"address": "several", "why": "1/1/1"}, "110113", "4"),
    "deleted": ({**IDS, "user": "anna", "why": "person"}, "110103", "0"),
    "deleted, old": ({**IDS, "why": "keep_days"}, "110103", "0"),
    "requeued": ({**IDS, "user": "anna", "anew": True}, "110103", "0"),
    "acknowledged": ({**IDS, "user": "anna"}, "110103", "0"),
    "missed": ({"events": 12}, "110113", "8"),
    "mended": ({"bytes": 12, "torn": "00"}, "110101", "0"),
    "forgotten": ({"file": "2026-01-01.jsonl", "last": "00"}, "110101", "0"),
    "exported": ({"user": "anna"}, "110101", "0"),
}


def written(name: str) -> ElementTree.Element:
    facts = EVENTS[name][0]
    event = {
        "number": 1,
        "at": "2026-11-30T12:00:00.000000Z",
        "event": name.split(",")[0].split()[0],
        **facts,
    }
    return ElementTree.fromstring(message({**event, "before": "00"}, SITE))


@pytest.mark.parametrize("name", EVENTS)
def test_a_message_is_what_the_standard_allows(name):
    """
    PS3.15 A.5.1: elements, their order, attributes, values, and the meanings of codes.
    """
    root = written(name)

    assert list(violations(root)) == []
    found = root.find("EventIdentification")
    assert found is not None
    assert (found[0].get("csd-code"), found.get("EventOutcomeIndicator")) == EVENTS[name][1:]


def test_the_check_finds_what_is_wrong():
    """
    A check that cannot fail shows nothing.
    """
    root = written("received")
    del root[0].attrib["EventDateTime"]
    root[1].set("NetworkAccessPointTypeCode", "9")
    root.append(root[0])

    assert len(list(violations(root))) == 4


def test_every_event_of_ours_has_a_message_of_its_own():
    """
    What is not known would be written as a use of the log.
    """
    tested = {name.split(",")[0].split()[0] for name in EVENTS}

    assert dicom_messages._WRITERS.keys() <= tested


def test_a_transfer_names_both_sides_the_study_and_the_objects():
    """
    PS3.15 A.5.3.7.
    """
    root = written("delivered")
    participants = {
        role.get("csd-code"): (one.get("UserID"), one.get("NetworkAccessPointID"), one.get("UserIsRequestor"))
        for one in root.findall("ActiveParticipant")
        for role in one
    }

    assert participants == {
        "110153": ("sgseg-node", "node-1", "true"),
        "110152": ("ARCHIVE", "10.1.2.3", "false"),
    }
    study = root.find("ParticipantObjectIdentification")
    assert study is not None
    assert study.get("ParticipantObjectID") == "1.2"
    assert [one.get("UID") for one in study.iter("Instance")] == ["1.2.3.4"]
