"""The node asks its own receiver, and is let in whatever the entries of senders say."""

import socket
from contextlib import ExitStack

import pytest

from node.receive.admission import ITSELF, Admission, Request
from node.receive.refusals import CALLING_TITLE, NETWORK, Rejection
from node.receive.self_echo import why_no_echo
from sgseg_dicom.config import Receive, Sender
from tests.node.processes import RECEIVE, half

STRICT = (Sender(name="far", networks=("10.9.0.0/16",), calling_ae_titles=("FAR",)),)
OURS = Request(calling="SGSEG", called="SGSEG", version=1, only_echo=True)


@pytest.mark.parametrize(
    ("request_", "address", "expected"),
    [
        (OURS, "127.0.0.1", ITSELF),
        (OURS, "::1", ITSELF),
        (OURS, "10.1.2.3", ITSELF),
        (OURS, "10.1.2.4", NETWORK),
        (Request(calling="SGSEG", called="SGSEG", version=1, only_echo=False), "127.0.0.1", NETWORK),
        (Request(calling="OTHER", called="SGSEG", version=1, only_echo=True), "127.0.0.1", NETWORK),
    ],
)
def test_only_our_own_echo_from_this_machine_is_let_in_beside_the_entries(request_, address, expected):
    """
    A local user could claim our title: C-ECHO is all that it gets by that.
    """
    settings = Receive.model_validate({"host": "10.1.2.3"})

    assert Admission(settings, STRICT).sender(request_, address) == expected


def test_a_receiver_answers_its_own_node_where_no_entry_lets_it_in(configure, tmp_path):
    """
    Else /ready would depend on who may send.
    """
    config = configure(sender=[STRICT[0].model_dump()])
    with half(RECEIVE, config, tmp_path) as receiver:
        assert why_no_echo(config.receive, receiver.ready["port"]) == ""


def test_a_receiver_that_says_nothing_is_named(configure):
    """
    A frozen process still has its connections accepted, by the kernel.
    """
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        why = why_no_echo(configure().receive, silent.getsockname()[1], seconds=0.2)

    assert "does not answer" in why


def test_a_receiver_that_rejects_us_is_named(configure, tmp_path):
    """
    Another node listens on our port, for example.
    """
    config = configure(receive={"ae_title": "OTHER"})
    with half(RECEIVE, config, tmp_path) as receiver:
        assert "rejects us" in why_no_echo(configure().receive, receiver.ready["port"])


def test_rejections_stay_what_they_were():
    """
    The exception is ours alone.
    """
    strangers = Admission(Receive(calling_ae_titles=("PACS",)))
    answer = strangers.sender(Request(calling="X", called="SGSEG", version=1, only_echo=True), "127.0.0.1")

    assert isinstance(answer, Rejection)
    assert answer == CALLING_TITLE


def test_a_node_that_listens_on_a_name_is_let_in_by_its_address():
    """
    The name means an address of this machine, and the echo comes from there.
    """
    settings = Receive.model_validate({"host": "node.example"})

    assert Admission(settings, STRICT, here="10.1.2.3").sender(OURS, "10.1.2.3") == ITSELF
    assert Admission(settings, STRICT, here="10.1.2.3").sender(OURS, "10.1.2.4") == NETWORK


def test_the_receiver_knows_the_address_behind_its_name(open_receiver):
    """
    Of a real listener: what it is bound to, and not the name in the settings.
    """
    listener = open_receiver(STRICT, host="localhost")

    assert listener._admission._here == "127.0.0.1"
