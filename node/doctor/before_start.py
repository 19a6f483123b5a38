"""What stops a start: found within a second or two, before the receiver takes an image."""

import subprocess
import sys
from collections.abc import Iterator

from node.app import language_of, wanted_of
from node.delivery.protocols import senders
from node.doctor.finding import Finding, State, found
from node.doctor.sqlite_version import require_new_sqlite
from node.tls.profile import Files, server_context
from node.watch.trust import read_secret, trusting
from node.watch.webhook import key_of
from sgseg_dicom.config import Config
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.wanted import choose_runtime, has_gpu_driver, is_torch_installed
from sgseg_dicom.release.manifest import packaged_weights
from sgseg_dicom.release.whole import require_whole_release

_GPU_SECONDS = 30
_COUNT_GPUS = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def look_before_start(config: Config) -> Iterator[Finding]:
    """Look at SQLite and at what the settings name: language, secrets, certificates, weights, device."""
    yield found("SQLite", require_new_sqlite)
    yield found("language", lambda: _language(config))
    yield found("destinations' files", lambda: _secrets(config))
    yield found("notify's files", lambda: _files_of_notify(config))
    if config.receive.certificate_file:
        yield found("our certificate", lambda: _certificate(config))
    yield found("weights", lambda: _weights(config))
    yield found("device", lambda: _device(config))
    if config.model.device == "auto" and has_gpu_driver() and (why := _why_gpu_idle()):
        yield Finding("GPU", State.WARNING, why)


def require_startable(config: Config) -> None:
    """
    Refuse to start where anything would be wrong at every start.

    Raises:
        ConfigError: what is wrong, one line each.
    """
    wrong = [one.detail for one in look_before_start(config) if one.state is State.WRONG]
    if wrong:
        raise ConfigError("\n".join(wrong))


def _language(config: Config) -> str:
    return f"{language_of(config).code}, from {config.report.language}"


def _secrets(config: Config) -> str:
    named = senders(config)
    return f"{len(named)} can be used" if named else "no [[destination]]: results stay in the store"


def _files_of_notify(config: Config) -> str:
    notify = config.notify
    if notify.webhook_secret_file:
        key_of(notify.webhook_secret_file)
    if notify.smtp_password_file:
        read_secret(notify.smtp_password_file)
    for authorities in filter(None, (notify.webhook_ca_file, notify.smtp_ca_file)):
        trusting(authorities)
    return (
        "they can be used"
        if notify.webhook_url or notify.email_to
        else "no message is sent to anybody: see [notify]"
    )


def _certificate(config: Config) -> str:
    receive = config.receive
    server_context(
        Files(certificate=receive.certificate_file, key=receive.key_file, authorities=receive.client_ca_file)
    )
    return f"{receive.certificate_file} and its key fit"


def _weights(config: Config) -> str:
    manifest = require_whole_release(config.weights_folder or packaged_weights())
    return f"{manifest.name} {manifest.version} ({manifest.identity[:12]})"


def _device(config: Config) -> str:
    """
    Say what will run the model.

    Raises:
        ConfigError: it is not there.
    """
    wanted = wanted_of(config)
    asks = wanted.device == "auto" and wanted.runtime == "auto" and has_gpu_driver()
    runtime = choose_runtime(
        config.weights_folder, wanted, gpu_can_be_used=asks and is_torch_installed() and _gpus() > 0
    )
    if runtime == "openvino":
        return "the CPU, by OpenVINO"
    if not is_torch_installed():
        raise ConfigError(
            f'[model] device is "{wanted.device}" and runtime "{wanted.runtime}": torch must run the model, and it '
            "is not installed; pip install 'sgseg-dicom[gpu]'"
        )
    if wanted.device.startswith("cuda"):
        _require_gpu(wanted.device)
    return f"{wanted.device}, by torch"


def _require_gpu(device: str) -> None:
    """
    Look for one GPU.

    Raises:
        ConfigError: there is no such GPU.
    """
    count, wanted = _gpus(), int(device.partition(":")[2] or 0)
    if count <= wanted:
        raise ConfigError(
            f'[model] device is "{device}", and torch can use {count} GPUs here (counted from 0); see the driver and '
            'torch\'s build, or set "auto" or "cpu"'
        )


def _why_gpu_idle() -> str:
    if not is_torch_installed():
        return "this machine has a GPU, and torch is missing: pip install 'sgseg-dicom[gpu]'"
    return "" if _gpus() else "this machine has a GPU, and torch cannot use it: see driver and torch's build"


def _gpus() -> int:
    """Count the GPUs that torch can use, in a process of its own: this one would keep torch's memory for good."""
    try:
        said = subprocess.run(
            [sys.executable, "-c", _COUNT_GPUS],
            capture_output=True,
            text=True,
            timeout=_GPU_SECONDS,
            check=False,
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        return 0
    return int(said) if said.isdigit() else 0
