"""What `test_crowds` shows of connections, where the same attackers finish the handshake first."""

from functools import partial

import pytest

from tests.node import raw_peer
from tests.node.receive import test_crowds as crowds
from tests.node.receive.conftest import Open
from tests.support.certificates import Site

test_connections_without_a_whole_request = crowds.test_connections_without_a_whole_request_keep_nobody_out
test_who_has_gone_is_gone = crowds.test_who_has_gone_is_gone
test_a_request_must_be_whole_in_time = crowds.test_a_request_must_be_whole_in_time_however_it_trickles
test_idle_associations_give_way = crowds.test_idle_associations_give_way
test_associations_that_drip_an_image_give_way = crowds.test_associations_that_drip_an_image_give_way
test_a_pdu_must_be_whole_in_time = crowds.test_a_pdu_must_be_whole_in_time
test_who_is_sending_is_not_broken_off = crowds.test_who_is_sending_is_not_broken_off
test_nonsense_is_aborted = crowds.test_nonsense_is_aborted_as_the_standard_codes_it


@pytest.fixture
def open_receiver(open_receiver: Open, site: Site, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Give a function that opens a receiver with TLS; peers of these tests speak it."""
    wrap = partial(site.client().wrap_socket, server_hostname="127.0.0.1")
    monkeypatch.setattr(raw_peer, "secured", wrap)
    return partial(open_receiver, **site.settings)
