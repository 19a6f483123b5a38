"""An image that hangs, crashes or takes all memory harms no other one, in real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from node.failures import ImageTooSlow, OutOfMemory, ProcessDied
from node.judge.asked_worker import AskedWorker
from node.judge.pool import Pool
from node.judge.room import Room
from sgseg_dicom.comparison.films import EarlierFilm, Film, Moment, Patient
from sgseg_dicom.config import Config
from sgseg_dicom.errors import (
    Disposition,
    InferenceError,
    InvalidDataset,
    InvalidResult,
    NotApplicable,
    SgsegError,
    StorageUnavailable,
    UnsupportedObject,
    WeightsError,
)
from sgseg_dicom.model_records import ModelInput, Prediction
from sgseg_dicom.refusal_reasons import RefusalReason
from tests.node import stand_in
from tests.node.judge.wishing_model import WISHES, load_wishing, no_weights
from tests.node.stand_in import SEG_AND_SR
from tests.node.stand_in_model import load_model
from tests.support.builders import chest_radiograph, write
from tests.support.comparing import EARLIER, NOW


class Rejected(stand_in.StandIn):
    """Makes results that fail their check."""

    def __call__(self, path: Path, **options: Any) -> Any:
        results = super().__call__(path, **options)
        raise InvalidResult(
            "the sides differ",
            rules=("sides",),
            objects={name: one.dataset for name, one in results.files.items()},
        )


def load_stand_in(config: Config, *_: Any) -> stand_in.StandIn:
    """Load it; all pools of these tests share a server, so the environment cannot name the folder."""
    return stand_in.StandIn(config.store.folder)


def load_rejected(config: Config, *_: Any) -> Rejected:
    """Load it."""
    return Rejected(config.store.folder)


class Asking(stand_in.StandIn):
    """Asks for room, as reading does, and then waits for a file."""

    def __init__(self, folder: Path, worker: AskedWorker) -> None:
        super().__init__(folder)
        self._worker = worker

    def __call__(self, path: Path, **options: Any) -> Any:
        self._worker.require_room(int(path.stem) * 1_000_000)
        return super().__call__(path, **options)


class AskingTheModel(stand_in.StandIn):
    """Asks the model about each image, and then does what the image says."""

    def __init__(self, folder: Path, worker: AskedWorker) -> None:
        super().__init__(folder)
        self._worker = worker

    def __call__(self, path: Path, **options: Any) -> Any:
        wish = WISHES.index(str(dcmread(path, stop_before_pixels=True).get("ImageComments", "")))
        prediction = self._worker(ModelInput(pixels=np.full((2, 2), wish, dtype=np.float32)))
        assert not prediction.mask.any()
        assert self._worker.algorithm.name == "stand-in"
        return super().__call__(path, **options)


def load_asking_the_model(config: Config, worker: AskedWorker) -> AskingTheModel:
    """Load it."""
    return AskingTheModel(config.store.folder, worker)


class Comparing(stand_in.StandIn):
    """Asks for earlier films, and writes down what it is told."""

    def __call__(self, path: Path, *, earlier: Any, **options: Any) -> Any:
        told = earlier(FILM)
        path.with_suffix(".told").write_text(" ".join(one.taken.date for one in told))
        return super().__call__(path, **options)


def load_comparing(config: Config, *_: Any) -> Comparing:
    """Load it."""
    return Comparing(config.store.folder)


FILM = Film(
    patient=Patient(id="A-17", issuer=("", "", ""), birth_date="19600401", sex="F"),
    taken=NOW,
    reference=EARLIER,
    weights="ours",
)


def load_once(config: Config, *_: Any) -> stand_in.StandIn:
    """Load it, but only the first time."""
    if (mark := config.store.folder / "loaded").exists():
        raise WeightsError("the device is gone")
    mark.touch()
    return stand_in.StandIn(config.store.folder)


def load_asking(config: Config, worker: AskedWorker) -> Asking:
    """Load it."""
    return Asking(config.store.folder, worker)


@pytest.fixture
def pool_of(tmp_path: Path) -> Iterator[Any]:
    pools = []

    def start(load: Any = load_stand_in, load_network: Any = load_model, **queue: Any) -> Pool:
        config = Config.internal(store={"folder": str(tmp_path)}, queue={"image_seconds": 20.0, **queue})
        pools.append(Pool(config, load, load_network, imports=(__name__,)))
        pools[-1].wait_ready()
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()


def image(folder: Path, name: str = "a", **keywords: Any) -> Path:
    return write(chest_radiograph(**keywords), folder / f"{name}.dcm")


def judge(pool: Pool, path: Path) -> Any:
    return pool(path, wanted=SEG_AND_SR, seconds={})


def test_a_process_is_told_of_earlier_films_by_the_worker(pool_of, tmp_path):
    """
    It asks with the film that it reads; the worker decides, whose database no process touches.
    """
    asked: list[Film] = []

    def earlier(film: Film) -> tuple[EarlierFilm, ...]:
        asked.append(film)
        return (EarlierFilm(taken=Moment("20240101"), reference=EARLIER, shares={}),)

    pool = pool_of(load_comparing, processes=1)
    pool(image(tmp_path), wanted=SEG_AND_SR, seconds={}, earlier=earlier)

    assert asked == [FILM]
    assert (tmp_path / "a.told").read_text() == "20240101"


def test_where_earlier_films_cannot_be_read_the_image_is_tried_again(pool_of, tmp_path):
    """
    No result goes out that lacks a comparison by accident; the process is as good as before.
    """

    def locked(film: Film) -> tuple[EarlierFilm, ...]:
        raise StorageUnavailable("the database is locked")

    pool = pool_of(load_comparing, processes=1)
    with pytest.raises(StorageUnavailable) as told:
        pool(image(tmp_path), wanted=SEG_AND_SR, seconds={}, earlier=locked)

    assert told.value.disposition is Disposition.RETRY
    assert pool(image(tmp_path), wanted=SEG_AND_SR, seconds={}, earlier=lambda film: ()).is_positive


def test_a_process_judges_and_gives_bytes_and_times(pool_of, tmp_path):
    """
    What comes back is what goes to the archive; each stage has its time.
    """
    seconds: dict[str, float] = {}
    judged = pool_of()(image(tmp_path), wanted=SEG_AND_SR, seconds=seconds)

    assert judged.is_positive
    assert {name: one.decoded().Modality for name, one in judged.objects.items()} == {
        "seg.dcm": "SEG",
        "sr.dcm": "SR",
    }
    assert set(seconds) == {"read", "infer", "encode"}


def test_errors_keep_what_they_carry(pool_of, tmp_path):
    """
    The coded reason, the rules and the objects come back whole: they decide what becomes of the image.
    """
    with pytest.raises(NotApplicable) as refused:
        judge(pool_of(), image(tmp_path, ImageComments="lateral"))
    with pytest.raises(InvalidResult) as invalid:
        judge(pool_of(load_rejected), image(tmp_path))

    assert refused.value.reason is RefusalReason.LATERAL_VIEW
    assert (invalid.value.rules, set(invalid.value.objects)) == (("sides",), {"seg.dcm", "sr.dcm"})


def test_a_report_is_made_in_a_process_too(pool_of, tmp_path):
    """
    It reads the header of an image that may be damaged.
    """
    pool = pool_of()
    report = pool.not_judged(image(tmp_path), InvalidDataset("cut off", names_image=False))

    assert report.decoded().SeriesDescription == "InvalidDataset"


def test_a_hanging_image_ends_at_its_limit_and_its_neighbour_does_not_wait(pool_of, tmp_path):
    """
    It hangs in C and holds Python's lock, as a decoder may: only killing its process helps.
    """
    pool = pool_of(image_seconds=2.0)
    ends: list[BaseException] = []

    def hang() -> None:
        try:
            judge(pool, image(tmp_path, "hanging", ImageComments="hanging"))
        except ImageTooSlow as error:
            ends.append(error)

    hanging = threading.Thread(target=hang)
    hanging.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    judged = judge(pool, image(tmp_path, "good", seed=1))
    waited = hanging.is_alive()
    hanging.join(30)

    assert judged.is_positive
    assert waited
    assert "stage 'infer'" in str(ends[0])


def test_a_process_is_started_again_when_files_ran_out(pool_of, tmp_path, monkeypatch):
    """
    No process could be made for a while: the place is not lost for ever.
    """
    pool = pool_of(processes=1)
    started, left = pool._started, [OSError("too many open files"), EOFError("the fork server has ended")]
    monkeypatch.setattr(pool, "_started", lambda: started() if not left else _raise(left.pop()))
    with pytest.raises(ProcessDied):
        judge(pool, image(tmp_path, ImageComments="deadly"))

    assert judge(pool, image(tmp_path, "good", seed=1)).is_positive


def _raise(error: Exception) -> None:
    raise error


def test_a_large_need_is_served_before_small_ones_that_came_later():
    """
    A stream of small images would keep a large one waiting for ever.
    """
    room, served = Room(10), list[int]()

    def ask(megapixels: int) -> threading.Thread:
        def take() -> None:
            room.take(megapixels)
            served.append(megapixels)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        time.sleep(0.05)
        return thread

    room.take(3)
    threads = [ask(10), ask(2)]
    waited = list(served)
    room.give_back(3)
    threads[0].join(5)
    room.give_back(10)
    threads[1].join(5)

    assert (waited, served) == ([], [10, 2])


def test_a_signal_to_the_whole_group_does_not_end_the_processes(tmp_path):
    """
    systemd and Ctrl-C send it so. The worker decides when they end: images in work come to their end.
    """
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from node.judge.pool import Pool\n"
        "from sgseg_dicom.config import Config\n"
        "from tests.node.judge.test_pool import load_stand_in\n"
        "from tests.node.stand_in import SEG_AND_SR\n"
        "from tests.node.stand_in_model import load_model\n"
        "import signal\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "    pool = Pool(Config.internal(store={'folder': sys.argv[2]}), load_stand_in, load_model)\n"
        "    pool.wait_ready()\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    print(all(one.is_alive for one in (*pool._processes, pool._model)), flush=True)\n"
        "    print(pool(Path(sys.argv[1]), wanted=SEG_AND_SR, seconds={}).is_positive, flush=True)\n"
        "    pool.close()\n"
    )
    (tmp_path / "script.py").write_text(script)
    with subprocess.Popen(
        [sys.executable, tmp_path / "script.py", image(tmp_path), tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        assert worker.stdout.readline() == "ready\n"
        os.killpg(worker.pid, signal.SIGTERM)
        time.sleep(0.5)
        worker.stdin.write("go\n")
        worker.stdin.flush()
        said = [worker.stdout.readline(), worker.stdout.readline()]

    assert said == ["True\n", "True\n"]


def test_after_a_kill_there_are_as_many_processes_as_before(pool_of, tmp_path):
    """
    A new one takes the place of the one that was killed.
    """
    pool = pool_of(processes=1, image_seconds=1.0)
    with pytest.raises(ImageTooSlow):
        judge(pool, image(tmp_path, ImageComments="hanging"))

    assert judge(pool, image(tmp_path, "good", seed=1)).is_positive


def test_an_image_that_crashes_its_process_says_how_it_ended(pool_of, tmp_path):
    """
    A crash in C leaves no exception: the end of the process is all there is to tell.
    """
    pool = pool_of(processes=1)
    with pytest.raises(ProcessDied, match=r"in stage 'infer' \(exit status 9\)"):
        judge(pool, image(tmp_path, ImageComments="deadly"))

    assert judge(pool, image(tmp_path, "good", seed=1)).is_positive


def test_an_image_that_takes_all_memory_is_stopped_at_the_budget(pool_of, tmp_path):
    """
    Before the system has to choose whom it kills.
    """
    pool = pool_of(processes=1, memory_megabytes=300)
    with pytest.raises(OutOfMemory, match="memory_megabytes"):
        judge(pool, image(tmp_path, ImageComments="hungry"))

    assert judge(pool, image(tmp_path, "good", seed=1)).is_positive


def test_a_process_that_somebody_killed_is_replaced_before_it_is_asked(pool_of, tmp_path):
    """
    The image that comes next notices nothing.
    """
    pool = pool_of(processes=1)
    first = pool._processes[0]
    os.kill(first.pid, signal.SIGKILL)
    while first.is_alive:
        time.sleep(0.01)

    assert judge(pool, image(tmp_path)).is_positive


def test_a_pool_whose_processes_cannot_start_again_is_not_able(pool_of, tmp_path):
    """
    The device is gone, say: the worker lives, and must not look as if it judged images.
    """
    pool = pool_of(load_once, processes=1)
    before = pool.is_able
    with pytest.raises(ProcessDied):
        judge(pool, image(tmp_path, ImageComments="deadly"))
    time.sleep(0.5)

    assert (before, pool.is_able) == (True, False)


def test_large_images_wait_for_each_other(pool_of, tmp_path):
    """
    Two of 40 megapixels do not fit into 64 together; a small one fits beside each of them.
    """
    pool = pool_of(load_asking, processes=3, max_megapixels=64)
    paths = [image(tmp_path, name, seed=int(name), ImageComments="slow") for name in ("40", "41")]
    threads = [threading.Thread(target=judge, args=(pool, path)) for path in paths]
    for thread in threads:
        thread.start()
    while not (tmp_path / "inside").exists():
        time.sleep(0.01)
    time.sleep(0.5)
    begun = len(stand_in.StandIn(tmp_path).begun())
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join(30)

    assert begun == 1
    assert len(stand_in.StandIn(tmp_path).begun()) == 2


def test_an_image_above_all_bounds_is_refused_with_the_setting(pool_of, tmp_path):
    """
    It would wait for ever.
    """
    with pytest.raises(UnsupportedObject, match=r"raise \[queue\] max_megapixels"):
        judge(pool_of(load_asking, max_megapixels=64), image(tmp_path, "65"))


def test_what_cannot_be_loaded_stops_the_start(pool_of):
    """
    With the error that says why, and not with a dead process.
    """
    with pytest.raises(WeightsError, match="do not belong together"):
        pool_of(no_weights)


def test_processes_end_with_the_one_that_asks(tmp_path):
    """
    The worker is killed while an image hangs: its processes do not stay behind and take the memory.
    """
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from node.judge.pool import Pool\n"
        "from sgseg_dicom.config import Config\n"
        "from tests.node.judge.test_pool import load_stand_in\n"
        "from tests.node.stand_in import SEG_AND_SR\n"
        "from tests.node.stand_in_model import load_model\n"
        "import threading, time\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(Config.internal(store={'folder': sys.argv[2]}), load_stand_in, load_model)\n"
        "    pool.wait_ready()\n"
        "    while len(pool._processes) < 2: time.sleep(0.01)\n"
        "    ask = lambda: pool(Path(sys.argv[1]), wanted=SEG_AND_SR, seconds={})\n"
        "    threading.Thread(target=ask, daemon=True).start()\n"
        "    print(pool._model.pid, *[one.pid for one in pool._processes], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    (tmp_path / "script.py").write_text(script)
    path = image(tmp_path, ImageComments="hanging")
    with subprocess.Popen(
        [sys.executable, tmp_path / "script.py", path, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as worker:
        assert worker.stdout is not None
        pids = [int(pid) for pid in worker.stdout.readline().split()]
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        worker.kill()
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def asked(pool: Pool, folder: Path, *wishes: str) -> list[Any]:
    """Judge images at the same time; give for each its results, or its error."""

    def one(place: int) -> Any:
        path = image(folder, f"wish-{place}-{time.monotonic_ns()}", seed=place, ImageComments=wishes[place])
        try:
            return judge(pool, path)
        except SgsegError as error:
            return error

    with ThreadPoolExecutor(len(wishes)) as threads:
        return list(threads.map(one, range(len(wishes))))


def test_one_model_answers_all_processes(pool_of, tmp_path):
    """
    What waits while it computes becomes one batch: a GPU gains by that.
    """
    pool = pool_of(load_asking_the_model, load_wishing, processes=3)
    while len(pool._places) < 3 or not all(one.is_able for one in pool._processes):
        time.sleep(0.01)
    first = threading.Thread(target=asked, args=(pool, tmp_path, "the model waits"))
    first.start()
    while not (tmp_path / "batches").exists():
        time.sleep(0.01)
    others = threading.Thread(target=asked, args=(pool, tmp_path, "", ""))
    others.start()
    while pool._model._segmenter._waiting.qsize() < 2:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    for thread in (first, others):
        thread.join(30)

    assert (tmp_path / "batches").read_text().split() == ["1", "2"]


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        ("the model hangs", ImageTooSlow, "inference_seconds"),
        ("the model dies", ProcessDied, "in the model"),
        ("the model fails", InferenceError, "the device failed"),
    ],
)
def test_an_image_at_which_the_model_ends_harms_no_other_one(pool_of, tmp_path, wish, error, message):
    """
    It is named as the cause, another process takes the place, and the next images are judged.
    """
    pool = pool_of(load_asking_the_model, load_wishing, inference_seconds=1.0, processes=2)
    before = pool._model.pid
    (ended,) = asked(pool, tmp_path, wish)
    (good,) = asked(pool, tmp_path, "")

    assert isinstance(ended, error)
    assert message in str(ended)
    assert good.is_positive
    assert pool._model.pid != before


def test_the_others_of_a_batch_are_judged_when_the_model_dies_at_one(pool_of, tmp_path):
    """
    Nobody knows at which: each is judged again, alone.
    """
    pool = pool_of(load_asking_the_model, load_wishing)
    inputs = [ModelInput(pixels=np.full((2, 2), wish, dtype=np.float32)) for wish in (0, 2, 0)]
    answers = pool._model._network.judge_each(inputs)

    assert [type(one) for one in answers] == [Prediction, ProcessDied, Prediction]


def test_an_answer_that_is_no_number_is_that_images_alone(pool_of, tmp_path):
    """
    The device works: nothing is started again.
    """
    pool = pool_of(load_asking_the_model, load_wishing)
    before = pool._model.pid
    (failed,) = asked(pool, tmp_path, "no number")
    (good,) = asked(pool, tmp_path, "")

    assert isinstance(failed, InferenceError)
    assert good.is_positive
    assert pool._model.pid == before


def test_a_model_that_somebody_killed_is_replaced_before_it_is_asked(pool_of, tmp_path):
    """
    The image that comes next notices nothing.
    """
    pool = pool_of(load_asking_the_model, load_wishing)
    os.kill(pool._model.pid, signal.SIGKILL)
    while pool._model.is_alive:
        time.sleep(0.01)

    assert asked(pool, tmp_path, "")[0].is_positive


def test_waiting_for_the_model_is_no_time_of_the_image(pool_of, tmp_path):
    """
    It waits for another image's answer longer than an image may take, and is judged.
    """
    pool = pool_of(load_asking_the_model, load_wishing, image_seconds=2.0, inference_seconds=4.0, processes=2)
    hanging = threading.Thread(target=asked, args=(pool, tmp_path, "the model hangs"))
    hanging.start()
    while not (tmp_path / "batches").exists():
        time.sleep(0.01)

    assert asked(pool, tmp_path, "")[0].is_positive
    hanging.join(30)


def test_a_pool_whose_model_cannot_start_again_is_not_able(pool_of, tmp_path):
    """
    The device is gone, say. The images wait, and the stop of the node ends their waiting.
    """
    pool = pool_of(load_asking_the_model, load_wishing)
    before = pool.is_able
    (tmp_path / "gone").touch()
    asked(pool, tmp_path, "the model dies")
    ends: list[Any] = []
    waiting = threading.Thread(target=lambda: ends.extend(asked(pool, tmp_path, "")))
    waiting.start()
    while pool.is_able:
        time.sleep(0.01)
    pool.close()
    waiting.join(30)

    assert before
    assert isinstance(ends[0], SgsegError)


def test_a_model_that_cannot_be_loaded_stops_the_start(pool_of):
    """
    With the error that says why.
    """
    with pytest.raises(WeightsError, match="do not belong together"):
        pool_of(load_network=no_weights)


def test_a_device_that_hangs_at_one_image_after_the_other_is_no_fault_of_theirs(pool_of, tmp_path):
    """
    The first may be the cause; the second and the third are tried again, and not quarantined.
    """
    pool = pool_of(load_asking_the_model, load_wishing, inference_seconds=0.5)
    network = pool._model._network
    ends = []
    for side in (2, 3, 3):
        with pytest.raises(SgsegError) as error:
            network.judge_each([ModelInput(pixels=np.full((side, side), 1, dtype=np.float32))])
        ends.append(type(error.value))

    assert ends == [ImageTooSlow, InferenceError, ImageTooSlow]


def test_another_model_than_at_the_start_judges_nothing(pool_of, tmp_path):
    """
    The weights were replaced while the node ran: results would name those of the start.
    """
    pool = pool_of(load_asking_the_model, load_wishing)
    (tmp_path / "other").touch()
    asked(pool, tmp_path, "the model dies")
    waiting = threading.Thread(target=asked, args=(pool, tmp_path, ""))
    waiting.start()
    while pool.is_able:
        time.sleep(0.01)
    pool.close()
    waiting.join(30)

    assert len((tmp_path / "batches").read_text().split()) == 1
