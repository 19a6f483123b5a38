"""
A plugin of Orthanc that sends every chest radiograph that Orthanc receives to the node, and no result of it back.

In orthanc.json:

    "Plugins" : [ "/usr/share/orthanc/plugins/libOrthancPython.so" ],
    "PythonScript" : "/etc/orthanc/route.py",
    "DicomModalities" : { "sgseg" : [ "SGSEG", "10.1.2.3", 11112 ] }

It goes through Orthanc's list of changes, and keeps in Orthanc's database how far it came and what the node did not
take. So nothing is forgotten when Orthanc or the node stops. It begins with what comes after its first start.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orthanc  # Orthanc's own module, which only a plugin has

NODE = "sgseg"
"""The node's name in "DicomModalities"."""

CHEST = ("CHEST", "THORAX", "TORAX", "TORACE", "LUNG", "PULM", "CXR", "RIB")
"""
What modalities call the chest in Body Part Examined (0018,0015). Add the words of yours.

An image that states no body part is sent: the node looks at it, and answers what it does not judge.
"""

RADIOGRAPHS = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
"""Computed Radiography, and Digital X-Ray FOR PRESENTATION. A FOR PROCESSING image is not for people to see."""

MANUFACTURER = "sgseg-dicom"
PROCESSING_EQUIPMENT = "109102"
"""PS3.16 CID 7005: what each algorithm of a result is called under Contributing Equipment."""

PROPERTY = 5718
"""Of Orthanc's database, where the state is kept. 1024 and above are free; another plugin must not use the same."""

LOOK_SECONDS = 5.0
"""Orthanc says when an object came. This is only for what waits."""

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
"""Seconds before the second attempt, and the most that it doubles to."""


def is_result(tags: Mapping[str, Any]) -> bool:
    """Tell a result of the node by the equipment that made or processed it; people edit descriptions."""
    if tags.get("Manufacturer") == MANUFACTURER:
        return True
    return any(
        item.get("Manufacturer") == MANUFACTURER
        and any(
            code.get("CodeValue") == PROCESSING_EQUIPMENT
            for code in item.get("PurposeOfReferenceCodeSequence") or []
        )
        for item in tags.get("ContributingEquipmentSequence") or []
    )


def is_chest(tags: Mapping[str, Any]) -> bool:
    """Tell whether the body part is the chest, or not stated."""
    part = (tags.get("BodyPartExamined") or "").strip().upper()
    return not part or any(word in part for word in CHEST)


def is_for_the_node(tags: Mapping[str, Any]) -> bool:
    """Tell whether an object is a chest radiograph and no result of the node."""
    return tags.get("SOPClassUID") in RADIOGRAPHS and is_chest(tags) and not is_result(tags)


class Router:
    """
    Sends instances to the node until it has taken them.

    Attributes:
        seen: the number of the last change that was looked at.
        waiting: of each instance that the node did not take: when it is tried again (seconds since 1970), and the
            pause before that (seconds).
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        kept = json.loads(orthanc.GetGlobalProperty(PROPERTY, "") or "{}")
        self.seen: int = kept["seen"] if kept else _changes("?last")["Last"]
        self.waiting: dict[str, list[float]] = kept.get("waiting", {})
        self._keep()

    def look(self) -> None:
        """Send what came since the last look, and what is to be tried again."""
        changes = {"Done": False}
        while not changes["Done"]:
            changes = _changes(f"?since={self.seen}&limit=100")
            for change in changes["Changes"]:
                if change["ChangeType"] == "NewInstance":
                    self._route(change["ID"])
                self.seen = change["Seq"]
                self._keep()
        for instance in [one for one, (at, _) in self.waiting.items() if at <= self._clock()]:
            self._send(instance)

    def _route(self, instance: str) -> None:
        try:
            tags = json.loads(orthanc.RestApiGet(f"/instances/{instance}/simplified-tags"))
        except orthanc.OrthancException:
            return  # it was deleted in the meantime
        if is_for_the_node(tags):
            self._send(instance)

    def _send(self, instance: str) -> None:
        try:
            orthanc.RestApiPost(f"/modalities/{NODE}/store", json.dumps({"Resources": [instance]}))
        except orthanc.OrthancException as error:
            self._wait(instance, error)
        else:
            self.waiting.pop(instance, None)
        self._keep()

    def _wait(self, instance: str, error: Exception) -> None:
        if not _exists(instance):
            self.waiting.pop(instance, None)
            return
        _, pause = self.waiting.get(instance, (0.0, FIRST_PAUSE / 2))
        pause = min(2 * pause, LONGEST_PAUSE)
        self.waiting[instance] = [self._clock() + pause, pause]
        orthanc.LogWarning(f"sgseg: {instance} was not taken ({error}); tried again in {pause:.0f} s")

    def _keep(self) -> None:
        orthanc.SetGlobalProperty(PROPERTY, json.dumps({"seen": self.seen, "waiting": self.waiting}))


def _changes(query: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(orthanc.RestApiGet("/changes" + query))
    return answer


def _exists(instance: str) -> bool:
    try:
        orthanc.RestApiGet(f"/instances/{instance}")
    except orthanc.OrthancException:
        return False
    return True


_stop, _wake = threading.Event(), threading.Event()


def _run() -> None:
    router = Router()
    while not _stop.is_set():
        try:
            router.look()
        except orthanc.OrthancException as error:
            orthanc.LogWarning(f"sgseg: Orthanc did not answer ({error}); tried again")
        _wake.wait(LOOK_SECONDS)
        _wake.clear()


_thread = threading.Thread(target=_run, name="sgseg", daemon=True)


def on_change(change: int, level: int, resource: str) -> None:
    """Begin with Orthanc, end with it, and wake the thread at each new instance."""
    if change == orthanc.ChangeType.ORTHANC_STARTED:
        _thread.start()
    elif change == orthanc.ChangeType.ORTHANC_STOPPED:
        _stop.set()
        _wake.set()
        if _thread.is_alive():
            _thread.join()
    elif change == orthanc.ChangeType.NEW_INSTANCE:
        _wake.set()


orthanc.RegisterOnChangeCallback(on_change)
