"""What is around the node: ports, disk, clock, memory, destinations."""

import errno
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from node.delivery.protocols import Sender, senders
from node.doctor.finding import Finding, State, found
from node.receive.self_echo import why_no_echo
from node.store.store import Store, open_store
from node.tls.certificates import WARN_DAYS
from node.tls.own_receiver import own_context
from node.tls.validity import valid_until
from node.watch.mail import Mail
from node.watch.webhook import Webhook
from sgseg_dicom.config import AnyDestination, Config, Destination
from sgseg_dicom.errors import ConfigError, StorageUnavailable

_NETWORK_DISKS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"})
_BASE_MEGABYTES = 1100
"""What receiver, worker and its processes take without an image (docs/PERFORMANCE.md)."""
_DAY_SECONDS = 86400
_HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0")


def look_around(config: Config) -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield found("receiver's port", lambda: _receiver_port(config))
    yield found("page's port", lambda: _page_port(config))
    yield from _store(config)
    yield _clock()
    yield _memory(config)
    yield from _certificates(config)
    yield from _destinations(config)
    yield from _channels(config)


def _receiver_port(config: Config) -> str:
    """
    Say who listens there.

    Raises:
        ConfigError: another program does, or nobody may.
    """
    receive = config.receive
    where = f"{receive.host}:{receive.port}"
    why = _why_not_free(receive.host, receive.port)
    if not why:
        return f"{receive.ae_title} can listen on {where}"
    if why != _TAKEN:
        raise ConfigError(f"cannot listen on {where} ({why}); set [receive] host and port")
    if why_no_echo(receive, receive.port, tls=own_context(receive)):
        raise ConfigError(
            f"{where} is taken by another program, or by a node with other settings; end it, or set [receive] port"
        )
    return f"a node answers as {receive.ae_title} on {where}"


def _page_port(config: Config) -> str:
    """
    Say who listens there.

    Raises:
        ConfigError: another program does, or nobody may.
    """
    where = f"{config.page.host}:{config.page.port}"
    why = _why_not_free(config.page.host, config.page.port)
    if not why:
        return f"the page can be on http://{where}"
    if why != _TAKEN:
        raise ConfigError(f"cannot listen on {where} ({why}); set [page] host and port")
    if not _is_a_page(config.page.host, config.page.port):
        raise ConfigError(f"{where} is taken by another program; end it, or set [page] port")
    return f"a page answers on http://{where}"


def _is_a_page(host: str, port: int) -> bool:
    """Say whether it answers as the page of a node does."""
    connection = HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", "/live")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


_TAKEN = os.strerror(errno.EADDRINUSE)


def _why_not_free(host: str, port: int) -> str:
    """Say why nobody can listen there; "" where one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)  # its own text repeats the address
    return ""


def _store(config: Config) -> Iterator[Finding]:
    """Look at the folder, its disk, and what is free there."""
    try:
        store = open_store(config)
        store.require_writable()
    except StorageUnavailable as error:
        yield Finding("store", State.WRONG, str(error))
        return
    yield found("store", lambda: _disk(store))
    yield _space(config, store)


def _disk(store: Store) -> str:
    """
    Say on what disk the store is.

    Raises:
        ConfigError: it is on another machine.
    """
    kind = _file_system_of(store.folder)
    if kind in _NETWORK_DISKS:
        raise ConfigError(
            f"{store.folder} is on a network share ({kind}), whose locks and fsync the queue cannot trust; set "
            "[store] folder to a folder on a disk of this machine"
        )
    return f"{store.folder} ({kind or 'unknown file system'})"


def _file_system_of(folder: Path) -> str:
    """Give the kind of the file system, as proc(5) names it; "" where it is not known."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    here = folder.resolve()
    fitting = [(len(parts[1]), parts[2]) for parts in mounts if here.is_relative_to(parts[1])]
    return max(fitting, default=(0, ""))[1]


def _space(config: Config, store: Store) -> Finding:
    free, wanted = store.free_bytes() >> 20, config.store.min_free_megabytes
    words = f"{free} MB are free; below {wanted} MB images are refused ([store] min_free_megabytes)"
    if free < wanted:
        return Finding("disk", State.WRONG, f"{words}: make room")
    if free < 2 * wanted:
        return Finding("disk", State.WARNING, f"{words}: make room soon")
    return Finding("disk", State.OK, words)


def _clock() -> Finding:
    """Results carry the time; queue and certificates depend on it."""
    built = Path(__file__).stat().st_mtime
    if time.time() < built - _DAY_SECONDS:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime())
        return Finding(
            "clock", State.WRONG, f"it says {when}, before this software was installed; set the clock"
        )
    if (said := _is_synchronised()) == "no":
        return Finding(
            "clock",
            State.WARNING,
            "it is not synchronised (timedatectl): switch NTP on, `timedatectl set-ntp true`",
        )
    zone = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime())
    return Finding("clock", State.OK, f"{zone}; synchronised: {said or 'unknown'}")


def _is_synchronised() -> str:
    """Give "yes" or "no" as systemd says; "" where it does not run."""
    program = shutil.which("timedatectl")
    if program is None:
        return ""
    try:
        asked = subprocess.run(
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _memory(config: Config) -> Finding:
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    need = _BASE_MEGABYTES + config.queue.memory_megabytes
    words = f"{have} MB; the node takes {_BASE_MEGABYTES}, and images up to {config.queue.memory_megabytes}"
    if have < need:
        return Finding(
            "memory", State.WARNING, f"{words}: lower [queue] memory_megabytes and processes, or add memory"
        )
    return Finding("memory", State.OK, words)


def _certificates(config: Config) -> Iterator[Finding]:
    """Look at the ends of our certificates."""
    ours = [("our certificate's end", config.receive.certificate_file)]
    ours += [
        (f"our certificate for {one.name}", one.certificate_file)
        for one in config.destination
        if isinstance(one, Destination)
    ]
    for subject, file in ours:
        if file is not None:
            yield _end_of(subject, file)


def _end_of(subject: str, file: Path) -> Finding:
    try:
        days = int((valid_until(file.read_bytes()) - time.time()) // _DAY_SECONDS)
    except (OSError, ValueError) as error:
        return Finding(subject, State.WRONG, f"{file} cannot be read ({error}); put a PEM certificate there")
    if days < 0:
        return Finding(subject, State.WRONG, f"{file} has ended: peers refuse us; put a new one in its place")
    if days < WARN_DAYS:
        return Finding(subject, State.WARNING, f"{file} is valid for {days} days only; renew it")
    return Finding(subject, State.OK, f"{file} is valid for {days} days")


def _destinations(config: Config) -> Iterator[Finding]:
    """Ask each destination."""
    try:
        named = senders(config)
    except ConfigError:
        return  # reported already, with what stops the start
    for name, sender in named.items():
        subject = f"destination {name}"
        if _is_our_receiver(config, sender.destination):
            yield Finding(
                subject,
                State.WRONG,
                f"{sender.destination.address} is our own receiver, which refuses its own results; name the archive",
            )
            continue

        yield found(subject, partial(_asked, sender))


def _asked(sender: Sender) -> str:
    sender.echo()
    return f"{sender.destination.address} answers, and takes what it will get"


def _channels(config: Config) -> Iterator[Finding]:
    """Ask the webhook and the mail server whether they answer. No message is sent."""
    notify = config.notify
    if notify.webhook_url:
        yield found("webhook", lambda: _echoed(Webhook(notify), "the webhook answers"), failed=State.WARNING)
    if notify.email_to:
        words = f"{notify.smtp_host}:{notify.smtp_port} greets, and lets us in"
        yield found("mail server", lambda: _echoed(Mail(notify), words), failed=State.WARNING)


def _echoed(channel: Webhook | Mail, words: str) -> str:
    channel.echo()
    return words


def _is_our_receiver(config: Config, destination: AnyDestination) -> bool:
    if not isinstance(destination, Destination):
        return False
    ours = config.receive
    here = destination.host in (*_HERE, ours.host, socket.gethostname())
    return here and (destination.port, destination.ae_title) == (ours.port, ours.ae_title)
