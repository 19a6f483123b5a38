"""Delivered means committed, where a destination is asked to commit itself (PS3.4 Annex J)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom.sop_class import StorageCommitmentPushModel

from node.delivery.commitment import MOST_TIMES_SENT, CommittedDelivery
from node.delivery.dimse import DimseSender
from node.receive import commitment_reports, scp
from node.receive.listener import listen
from node.store.commitments import Commitments, Report, State
from sgseg_dicom.config import Receive
from sgseg_dicom.errors import DeliveryRefused, NotYetCommitted
from tests.node.committing_archive import CommittingArchive
from tests.node.stand_in import results_of
from tests.support.builders import chest_radiograph

JOB = "0123456789abcdef-0123456789abcdef"
Peer = Callable[..., CommittingArchive]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Give a function that opens an archive."""
    opened = []

    def build(*arguments: Any, **keywords: Any) -> CommittingArchive:
        opened.append(CommittingArchive(*arguments, **keywords))
        return opened[-1]

    yield build
    for archive in opened:
        archive.close()


@pytest.fixture
def commitments(tmp_path: Path) -> Commitments:
    return Commitments(tmp_path / "commitments")


@pytest.fixture
def receiver(tmp_path: Path, commitments: Commitments) -> Iterator[int]:
    """Run our receiver; give its port."""
    listener = listen(
        Receive.model_validate({"port": 0}, context={"free_ports": True}),
        contexts=[*scp.contexts(), commitment_reports.context()],
        handlers=[commitment_reports.handler(commitments)],
        spool=tmp_path,
    )
    yield listener.port
    listener.stop(patience_seconds=0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Give a SEG and an SR, as the store keeps them."""
    paths = []
    for ds in results_of(chest_radiograph()).objects:
        paths.append(tmp_path / f"{ds.Modality}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def delivery_to(archive: CommittingArchive, commitments: Commitments) -> CommittedDelivery:
    sender = DimseSender(
        archive.destination, calling_ae_title="SGSEG", connect_seconds=2.0, answer_seconds=5.0
    )
    return CommittedDelivery(sender, commitments)


def left(commitments: Commitments) -> list[str]:
    """Give the names of the files that stay."""
    return [path.name for path in commitments._path.iterdir()]


def test_a_report_on_the_same_association_ends_the_delivery(peer, commitments, files):
    """
    The request names both objects by class and instance; nothing stays in the store.
    """
    archive = peer("here")
    delivery_to(archive, commitments).deliver(JOB, files)

    (asked,) = archive.asked
    named = [
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in asked.ReferencedSOPSequence
    ]
    assert named == [(ds.SOPClassUID, ds.SOPInstanceUID) for ds in map(dcmread, files)]
    assert archive.answers_to_reports == [0x0000]
    assert left(commitments) == []


def test_a_report_on_another_association_ends_the_delivery(peer, commitments, files, receiver):
    """
    The archive opens it to our receiver and keeps its role as SCP; the receiver answers 0000.
    """
    archive = peer("elsewhere")
    archive.reports_to = receiver
    delivery_to(archive, commitments).deliver(JOB, files)

    assert archive.answers_to_reports == [0x0000]
    assert left(commitments) == []


def test_without_a_report_nothing_is_delivered(peer, commitments, files):
    """
    Sent once, asked at each attempt under another Transaction UID; a report on any of these counts.
    """
    archive = peer("never")
    delivery = delivery_to(archive, commitments)
    for _ in range(2):
        with pytest.raises(NotYetCommitted, match="not yet committed"):
            delivery.deliver(JOB, files)
    first, second = (str(asked.TransactionUID) for asked in archive.asked)
    uids = tuple(str(dcmread(file).SOPInstanceUID) for file in files)

    assert first != second
    assert len(archive.got) == 2
    assert commitments.report(first, Report(committed=uids))
    assert delivery.wait(JOB)
    delivery.deliver(JOB, files)
    assert len(archive.asked) == 2
    assert left(commitments) == []


@pytest.mark.parametrize("reason", [0x0110, 0x0112, 0x0213])
def test_what_the_archive_did_not_keep_is_sent_again(peer, commitments, files, reason):
    """
    All objects, byte for byte; then it commits itself.
    """
    archive = peer("here", failures=[{1: reason}])
    delivery = delivery_to(archive, commitments)
    with pytest.raises(NotYetCommitted, match="sent once more"):
        delivery.deliver(JOB, files)
    assert not delivery.wait(JOB)  # no report is awaited: the next attempt need not wait for one
    delivery.deliver(JOB, files)

    assert archive.got[:2] == archive.got[2:]
    assert left(commitments) == []


def test_what_the_archive_never_keeps_is_refused_in_words(peer, commitments, files):
    """
    After the third time. The message names the object and the reason.
    """
    archive = peer("here", failures=[{0: 0x0213}] * MOST_TIMES_SENT)
    delivery = delivery_to(archive, commitments)
    for _ in range(MOST_TIMES_SENT - 1):
        with pytest.raises(NotYetCommitted):
            delivery.deliver(JOB, files)
    uid = dcmread(files[0]).SOPInstanceUID
    with pytest.raises(DeliveryRefused, match=rf"{uid}: it is out of resources"):
        delivery.deliver(JOB, files)

    assert len(archive.got) == 2 * MOST_TIMES_SENT
    assert left(commitments) == []


@pytest.mark.parametrize("reason", [0x0119, 0x0122])
def test_what_cannot_change_is_refused_at_once(peer, commitments, files, reason):
    """
    The class is another one there, or is not supported.
    """
    archive = peer("here", failures=[{0: reason}])
    with pytest.raises(DeliveryRefused, match="SOP class"):
        delivery_to(archive, commitments).deliver(JOB, files)

    assert left(commitments) == []


def test_an_archive_that_refuses_the_request_is_a_refusal(peer, commitments, files):
    """
    0x0123: it knows no such action.
    """
    with pytest.raises(DeliveryRefused, match=r"0x0123.*storage_commitment"):
        delivery_to(peer("here", status=0x0123), commitments).deliver(JOB, files)

    assert left(commitments) == []


def test_an_archive_without_storage_commitment_is_a_refusal(peer, commitments, files):
    """
    It accepts no presentation context for it.
    """
    archive = peer("here")
    archive.ae.remove_supported_context(StorageCommitmentPushModel)
    archive.start = lambda: super(CommittingArchive, archive).start()
    archive.restart()
    with pytest.raises(DeliveryRefused, match="Storage Commitment"):
        delivery_to(archive, commitments).deliver(JOB, files)


def test_a_report_that_nobody_waits_for_is_answered_and_not_kept(peer, commitments, files, receiver):
    """
    The delivery may have ended through another report; an archive that gets no 0000 would report for ever.
    """
    archive = peer("elsewhere")
    archive.reports_to = receiver
    commitments.note(JOB, "another", State(sent=1))
    archive.report_elsewhere(_request_of_nobody())

    assert archive.answers_to_reports == [0x0000]
    assert len(left(commitments)) == 1


def _request_of_nobody() -> Any:
    request = chest_radiograph()
    request.TransactionUID, request.ReferencedSOPSequence = "1.2.3.4", []
    return request


def test_a_transaction_that_is_no_uid_finds_no_file(commitments):
    """
    It becomes a part of a file's name.
    """
    commitments.ask("1.2.3", JOB, "archive")

    assert [commitments.report(name, Report()) for name in ("*", "../1.2.3", "", "1.2.3")] == [
        False,
        False,
        False,
        True,
    ]
