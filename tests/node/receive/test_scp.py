"""The receiver over real associations, by DCMTK where it is there."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom import uid
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import SegmentationStorage, Verification
from structlog.testing import capture_logs

from node.jobs import Ending, Entry, Job, Outcome
from node.receive import scp
from node.receive.listener import Listener, listen
from node.store.acknowledgements import Acknowledged
from node.store.content_digest import content_digest
from node.store.store import Store
from sgseg_dicom.accepted_objects import TRANSFER_SYNTAXES
from sgseg_dicom.config import Receive
from sgseg_dicom.errors import StorageUnavailable
from tests.support.builders import SOP_CLASSES, chest_radiograph, write

STORESCU, ECHOSCU = Path("/usr/bin/storescu"), Path("/usr/bin/echoscu")
dcmtk = pytest.mark.skipif(
    not (STORESCU.exists() and ECHOSCU.exists()), reason="needs DCMTK (Debian package dcmtk)"
)


class Notebook:
    """Stands where the queue stands and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.repeated: list[Job] = []
        self.ending: Ending | None = None
        self.locked = False

    def enqueue(self, job: Job) -> bool:
        if self.locked:
            raise StorageUnavailable("the database is locked")
        is_new = self.get(job.id) is None
        self.jobs.append(job)
        return is_new

    def get(self, job_id: str) -> Entry | None:
        job = next((job for job in self.jobs if job.id == job_id), None)
        if job is None:
            return None
        outcome = Outcome(ending=self.ending) if self.ending else None
        return Entry(job=job, state=self.ending or "waiting", outcome=outcome)

    def again(self, job: Job) -> None:
        self.repeated.append(job)


Start = Callable[..., Listener]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def start(store: Store, notebook: Notebook) -> Iterator[Start]:
    listeners = []

    def build(**settings: object) -> Listener:
        listener = listen(
            Receive.model_validate(
                {"port": 0, "check_called_ae_title": False, **settings}, context={"free_ports": True}
            ),
            contexts=scp.contexts(),
            handlers=scp.handlers(store, notebook),
            spool=store.incoming,
        )
        listeners.append(listener)
        return listener

    yield build
    for listener in listeners:
        listener.stop(patience_seconds=0)


def storescu(listener: Listener, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Send *file* with DCMTK."""
    command = [str(STORESCU), "-v", "-aec", "SGSEG", *options, "127.0.0.1", str(listener.port), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def echo(listener: Listener, calling: str = "TESTER") -> bool:
    """Say whether a C-ECHO succeeds."""
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = 10
    association = ae.associate("127.0.0.1", listener.port, [build_context(Verification)])
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return "Status" in status and status.Status == 0


@dcmtk
def test_dcmtk_echoes(start):
    """
    echoscu gets its answer.
    """
    command = [str(ECHOSCU), "127.0.0.1", str(start().port)]

    assert subprocess.run(command, timeout=30, check=False).returncode == 0


@dcmtk
@pytest.mark.parametrize(
    ("syntax", "option"),
    [
        (uid.ImplicitVRLittleEndian, "-xi"),
        (uid.ExplicitVRLittleEndian, "-xe"),
        (uid.ExplicitVRBigEndian, "-xb"),
        (uid.DeflatedExplicitVRLittleEndian, "-xd"),
        (uid.RLELossless, "-xr"),
        (uid.JPEGLosslessSV1, "-xs"),
        (uid.JPEGLSLossless, "-xt"),
        (uid.JPEG2000Lossless, "-xv"),
    ],
)
def test_dcmtk_stores_an_image_and_it_is_kept_as_sent(start, store, notebook, tmp_path, syntax, option):
    """
    The data set on disk is byte for byte what the sender had, in the sender's transfer syntax.
    """
    ds = chest_radiograph()
    file = write(ds, tmp_path / "sent.dcm", syntax)

    sent = storescu(start(), file, option)

    assert sent.returncode == 0, sent.stderr
    (job,) = notebook.jobs
    assert content_digest(store.folder / job.file) == content_digest(file)
    assert job.sop_instance_uid == ds.SOPInstanceUID
    assert job.peer == "STORESCU"


@pytest.mark.parametrize("kind", SOP_CLASSES)
def test_every_class_is_taken_in_every_transfer_syntax(start, kind):
    """
    Each pair finds a presentation context.
    """
    contexts = [build_context(SOP_CLASSES[kind], syntax) for syntax in TRANSFER_SYNTAXES]
    association = AE().associate("127.0.0.1", start().port, contexts)
    accepted = {context.transfer_syntax[0] for context in association.accepted_contexts}
    association.release()

    assert accepted == set(TRANSFER_SYNTAXES)


def test_segmentations_find_no_presentation_context(start):
    """
    Our own results, sent back by an archive's rule, are not taken.
    """
    contexts = [build_context(SegmentationStorage), build_context(Verification)]
    association = AE().associate("127.0.0.1", start().port, contexts)
    rejected = [context.abstract_syntax for context in association.rejected_contexts]
    association.release()

    assert rejected == [SegmentationStorage]


def test_a_sender_of_which_nothing_is_taken_is_named_with_what_it_offers(start):
    """
    Else a scanner that was routed to us by mistake looks like a broken network.
    """
    with capture_logs() as lines:
        listener = start()
        contexts = [build_context(uid.CTImageStorage), build_context("1.2.840.99999.1")]
        association = AE().associate("127.0.0.1", listener.port, contexts)
        assert not association.is_established
        _until(lambda: any(line["event"] == "association_aborted" for line in lines))

    (line,) = [line for line in lines if line["event"] == "association_aborted"]
    assert "none of its SOP classes and transfer syntaxes is accepted here" in line["detail"]
    assert "1.2.840.99999.1, CT Image Storage" in line["detail"]


def send(listener: Listener, *files: Path) -> list[tuple[int, str]]:
    """Send *files* over one association; give status and comment of each answer."""
    contexts = [build_context(SOP_CLASSES["DX"], uid.ExplicitVRLittleEndian)]
    association = AE("TESTER").associate("127.0.0.1", listener.port, contexts)
    answers = [association.send_c_store(file) for file in files]
    association.release()
    return [(answer.Status, answer.get("ErrorComment", "")) for answer in answers]


def test_the_same_image_again_is_a_success_with_the_same_key(start, notebook, tmp_path):
    """
    The queue sees the same key twice, and makes one job of it.
    """
    file = write(chest_radiograph(), tmp_path / "a.dcm")

    assert send(start(), file, file) == [(0, ""), (0, "")]
    assert len({job.id for job in notebook.jobs}) == 1


@pytest.mark.parametrize(
    ("ending", "times"), [(None, 0), (Ending.FINDING, 0), (Ending.REJECTED, 0), (Ending.FAILED, 1)]
)
def test_an_image_that_failed_is_queued_again_when_it_comes_again(
    start, store, notebook, tmp_path, ending, times
):
    """
    What is in work, answered or rejected is not: it would end in the same way. How it ends now, nobody has seen.
    """
    file = write(chest_radiograph(), tmp_path / "a.dcm")
    notebook.ending, listener, seen = ending, start(), Acknowledged(store.folder)

    assert send(listener, file) == [(0, "")]
    seen.add(notebook.jobs[0].id)
    assert send(listener, file) == [(0, "")]

    assert len(notebook.repeated) == times
    assert (notebook.jobs[0].id in seen) == (times == 0)


def test_other_content_under_the_same_uid_is_told_to_the_sender(start, notebook, tmp_path):
    """
    Status 0111 (duplicate SOP instance), and a job that ends as quarantined: both sides can see it.
    """
    first = write(chest_radiograph(), tmp_path / "a.dcm")
    other = write(chest_radiograph(PatientID="OTHER"), tmp_path / "b.dcm")

    answers = send(start(), first, other)

    assert [status for status, _ in answers] == [0x0000, 0x0111]
    assert "quarantined" in answers[1][1]
    assert [job.conflicting for job in notebook.jobs] == [False, True]


def test_an_image_whose_command_names_no_uid_is_not_understood(start, notebook, tmp_path):
    """
    The UID of the command is shown in the status: a name in its place is refused with C000.
    """
    file = write(chest_radiograph(SOPInstanceUID="DOE.JANE"), tmp_path / "a.dcm")

    assert send(start(), file) == [(0xC000, "")]
    assert notebook.jobs == []


def test_a_locked_queue_is_out_of_resources(start, notebook, tmp_path):
    """
    No SUCCESS without a committed row: the sender tries again, and the kept bytes are no obstacle.
    """
    file = write(chest_radiograph(), tmp_path / "a.dcm")
    notebook.locked = True
    listener = start()

    assert send(listener, file) == [(0xA700, "")]
    notebook.locked = False
    assert send(listener, file) == [(0x0000, "")]


def test_a_disk_below_the_watermark_is_out_of_resources(start, store, notebook, tmp_path):
    """
    A700, and neither file nor job.
    """
    store._min_free_bytes = 1 << 60

    assert send(start(), write(chest_radiograph(), tmp_path / "a.dcm")) == [(0xA700, "")]
    assert notebook.jobs == []
    assert list(store.incoming.iterdir()) == []


def test_an_aborted_transfer_leaves_nothing(start, store, notebook):
    """
    A sender that dies in the middle of a data set was never promised anything.
    """
    listener = start()
    association = AE().associate("127.0.0.1", listener.port, [build_context(SOP_CLASSES["DX"])])
    ds = chest_radiograph()
    association.dul.socket.send(_half_a_store_request(association, ds))
    _until(lambda: list(store.incoming.iterdir()))
    association.abort()
    _until(lambda: not listener.active_associations)

    assert notebook.jobs == []
    _until(lambda: not list(store.incoming.iterdir()))


@contextmanager
def silent_connections(listener: Listener, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that say nothing by themselves."""
    with ExitStack() as stack:
        address = ("127.0.0.1", listener.port)
        yield [stack.enter_context(socket.create_connection(address)) for _ in range(count)]


def test_silent_connections_do_not_lock_senders_out(start):
    """
    Load balancer probes and port scans open connections and say nothing; there may be any number of them.
    """
    listener = start(max_associations=1, max_silent_connections=4, opening_seconds=30)
    with silent_connections(listener, 12) as silent:
        _until(lambda: sum(_closed(connection) for connection in silent) == 8)
        assert echo(listener)  # from the same address: who speaks gets in


def test_a_silent_connection_is_closed_in_time(start):
    """
    It lives as long as [receive] opening_seconds says, and is never an association.
    """
    listener = start(max_associations=1, opening_seconds=2.0)
    with silent_connections(listener, 12) as silent:
        assert echo(listener)
        _until(lambda: all(_closed(connection) for connection in silent))


def test_a_connection_that_stops_in_the_middle_is_closed(start):
    """
    Half a PDU holds an association only as long as [receive] idle_seconds says.
    """
    listener = start(idle_seconds=0.3)
    with silent_connections(listener, 1) as (connection,):
        connection.sendall(b"\x01\x00\x00\x00")

        _until(lambda: _closed(connection))
        _until(lambda: not listener.active_associations)


def test_a_pdu_longer_than_announced_is_not_read(start):
    """
    Four announced gigabytes cost no memory: the connection is closed.
    """
    listener = start()
    with silent_connections(listener, 1) as (connection,):
        connection.sendall(b"\x04\x00\xff\xff\xff\xff" + b"\0" * 64)

        _until(lambda: _closed(connection))


def test_only_senders_of_the_allow_list_are_let_in(start):
    """
    [receive] calling_ae_titles.
    """
    listener = start(calling_ae_titles=["MODALITY"])

    assert echo(listener, "MODALITY")
    assert not echo(listener, "STRANGER")


def test_the_receiver_runs_without_torch_and_without_dbos():
    """
    Neither the model, nor what runs the worker's workflows, is imported by the receiver's side.
    """
    code = (
        "import sys, node.cli, node.app, node.store.store, node.work.queue;"
        "import node.receive.scp, node.receive.listener, node.logs, node.work.lasting_jobs;"
        "heavy = {'torch', 'transformers', 'timm', 'highdicom', 'SimpleITK', 'scipy', 'dbos', 'sqlalchemy'};"
        "heavy &= set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _half_a_store_request(association, ds) -> bytes:
    """Give the PDUs of a C-STORE request whose data set never ends."""
    from io import BytesIO

    from pynetdicom.dimse_messages import C_STORE_RQ
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.pdu import P_DATA_TF

    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    request.DataSet = BytesIO(b"\0" * 100_000)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    pieces = []
    for primitive in message.encode_msg(association.accepted_contexts[0].context_id, 16384):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        pieces.append(pdu.encode())
    return b"".join(pieces[:-1])


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(4096) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("ending", [Ending.FINDING, Ending.REJECTED, Ending.QUARANTINED])
def test_an_image_that_was_deleted_without_its_job_is_queued_again(start, store, notebook, tmp_path, ending):
    """
    A crash came between the two deletions. To the sender it is a new image, which has its answer.
    """
    file, listener = write(chest_radiograph(), tmp_path / "a.dcm"), start()
    assert send(listener, file) == [(0, "")]
    notebook.ending = ending
    (store.folder / notebook.jobs[0].file).unlink()
    Acknowledged(store.folder).add(notebook.jobs[0].id)

    assert send(listener, file, file) == [(0, ""), (0, "")]

    assert [job.id for job in notebook.repeated] == [notebook.jobs[0].id]
    assert notebook.jobs[0].id not in Acknowledged(store.folder)
