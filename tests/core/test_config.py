"""A wrong setting stops the start and says what would be right."""

import re
from pathlib import Path

import pytest

from sgseg_dicom.config import Config, Destination, Receive, WebDestination, load
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.result_kinds import Kind, Wanted

PEER = '[[destination]]\nname = "{name}"\nae_title = "PACS"\nhost = "pacs.example"\nport = 104\n'

WEB = '[[destination]]\nname = "A"\nprotocol = "dicomweb"\nurl = "https://pacs.example/dicom-web"\n{}\n'

KINDS = (
    "be a list of one or more of ['seg', 'sr', 'text', 'secondary-capture', 'presentation-state'], each once"
)


def read(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value)


def test_the_file_that_ships_has_every_setting_with_its_default():
    """
    config.toml at the top shows all keys, and nothing changes when it is used as it is.
    """
    file = Path(__file__).parents[2] / "config.toml"
    shipped, text = load(file), file.read_text()

    assert shipped.store.folder == file.parent / Config().store.folder
    assert shipped.model_copy(update={"store": Config().store}) == Config()
    for section, field in Config.model_fields.items():
        assert f"[{section}]" in text
        keys = getattr(
            field.annotation, "model_fields", {**Destination.model_fields, **WebDestination.model_fields}
        )
        assert all(f"{key} = " in text for key in keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[receive]\nport = 70000", "[receive] port is 70000; it must lie between 1 and 65535"),
        ("[receive]\nport = 0", "[receive] port is 0; it must lie between 1 and 65535"),
        ("[receive]\nport = true", "[receive] port is True; it must lie between 1 and 65535"),
        (
            "[receive]\nidle_seconds = '1'",
            "[receive] idle_seconds is '1'; it must lie between 0.01 and 86400",
        ),
        (
            "[model]\ndevice = 'tpu'",
            '[model] device is \'tpu\'; it must be "auto", "cpu", "cuda" or one GPU, "cuda:0" for example',
        ),
        ("[store]\nfolder = 5", "[store] folder is 5; it must be a folder's name, of its own and without ~"),
        (
            '[store]\nfolder = ""',
            "[store] folder is ''; it must be a folder's name, of its own and without ~",
        ),
        (
            '[store]\nfolder = "~/store"',
            "[store] folder is '~/store'; it must be a folder's name, of its own and without ~",
        ),
        (
            "[queue]\nmax_retry = 1",
            "[queue] has unknown keys ['max_retry']; known: "
            "['attempts', 'image_seconds', 'inference_seconds', 'jobs_at_once', 'max_megapixels', 'max_restarts', "
            "'memory_megabytes', 'polling_seconds', 'priority_places', 'processes', 'retry_seconds']",
        ),
        ("receive = 3", "[receive] must be a table"),
        (
            "[receive]\nundeclared_character_set = 'GB-1'",
            "[receive] undeclared_character_set is 'GB-1'; it must be \"\" or one of Python's text encodings, "
            '"gb18030" or "cp1251" for example',
        ),
        (
            "[receive]\nundeclared_character_set = 'utf-16'",
            "[receive] undeclared_character_set is 'utf-16'; it must be \"\" or one of Python's text encodings, "
            '"gb18030" or "cp1251" for example',
        ),
        (
            PEER.format(name="A") + "speed = 1",
            "[[destination]] number 1 has unknown keys ['speed']; "
            "known: ['ae_title', 'ca_file', 'certificate_file', 'commitment_seconds', 'host', 'key_file', 'name', "
            "'not_judged', 'port', 'protocol', 'results', 'segmentation', 'sr_class', 'sr_without_regions', "
            "'storage_commitment', 'tls', 'tls_host_name']",
        ),
        (
            PEER.format(name="A") + 'ca_file = "ca.pem"',
            "[[destination]] number 1 has ca_file and no TLS; set tls = true, or take them out",
        ),
        (
            PEER.format(name="A") + 'tls = true\nkey_file = "node.key"',
            "[[destination]] number 1 has a key_file and no certificate_file; set both, or neither",
        ),
        (
            '[receive]\nclient_ca_file = "ca.pem"',
            "[receive] has key_file or client_ca_file without certificate_file; set it, or take them out",
        ),
        (
            PEER.format(name="A") + 'results = ["seg", "report"]',
            f"[[destination]] number 1 results is 'report'; it must {KINDS}",
        ),
        (
            PEER.format(name="A") + "results = []",
            f"[[destination]] number 1 results is []; it must {KINDS}",
        ),
        (
            PEER.format(name="A") + 'results = ["sr", "sr"]',
            f"[[destination]] number 1 results is ['sr', 'sr']; it must {KINDS}",
        ),
        (
            WEB.format('segmentation = "runs"'),
            "[[destination]] number 1 segmentation is 'runs'; "
            'it must be "auto", "binary", "fractional" or "labelmap"',
        ),
        (
            PEER.format(name="A") + 'sr_class = "enhanced"',
            "[[destination]] number 1 sr_class is 'enhanced'; "
            'it must be "comprehensive-3d" or "comprehensive"',
        ),
        (
            PEER.format(name="A") + 'not_judged = "yes"',
            "[[destination]] number 1 not_judged is 'yes'; it must be true or false",
        ),
        (
            PEER.format(name="A") + PEER.format(name="A"),
            "[[destination]] must be tables, each with a name of its own",
        ),
        (
            PEER.format(name="A").replace("pacs.example", "no host"),
            "[[destination]] number 1 host is 'no host'; it must be a host name or an IP address",
        ),
        (
            PEER.format(name="A") + 'protocol = "http"',
            '[[destination]] number 1 protocol is \'http\'; it must be "dimse" or "dicomweb"',
        ),
        (
            PEER.format(name="A") + 'url = "https://pacs.example"',
            "[[destination]] number 1 has keys ['url'] of protocol \"dicomweb\"; "
            'set protocol = "dicomweb", or take them out',
        ),
        (
            WEB.format("") + "port = 104",
            "[[destination]] number 1 has keys ['port'] of protocol \"dimse\"; "
            'set protocol = "dimse", or take them out',
        ),
        (
            WEB.format("username = 'me'"),
            "[[destination]] number 1 has one of username and password_file; set both, or neither",
        ),
        (
            WEB.format("username = 'me'\npassword_file = 'p'\ntoken_file = 't'"),
            "[[destination]] number 1 has both username and token_file; take out one of them",
        ),
        (
            WEB.format("token_file = 't'").replace("https", "http"),
            "[[destination]] number 1 has a secret, and a url without TLS that would show it to the network; "
            "make it https",
        ),
        (
            WEB.format("ca_file = 'c'").replace("https", "http"),
            "[[destination]] number 1 has a ca_file, and a url without TLS; "
            "make it https, or take out ca_file",
        ),
        (
            "[report]\nlanguage = 3",
            '[report] language is 3; it must be "en", "es", "de" or the name of a language file ending ".toml"',
        ),
        (
            '[[sender]]\nname = "ward"\nnetworks = ["10.1.2.3/24"]',
            "[[sender]] number 1 networks is '10.1.2.3/24'; it must be a list of networks or addresses, "
            '"10.1.2.0/24" or "10.1.2.7" for example, without bits behind the prefix',
        ),
        (
            '[[sender]]\nnetworks = ["::1"]',
            "[[sender]] number 1 has no name; it must be 1 to 64 letters, digits, spaces, dots or dashes",
        ),
        (
            '[[sender]]\nname = "ward"\n[[sender]]\nname = "ward"',
            "[[sender]] must be tables, each with a name of its own",
        ),
        (
            '[[sender]]\nname = "ward"\nnetwork = "10.0.0.0/8"',
            "[[sender]] number 1 has unknown keys ['network']; known: ['calling_ae_titles', 'max_associations', "
            "'name', 'networks', 'priority']",
        ),
        ("[watch]\nwaiting_minutes = 0", "[watch] waiting_minutes is 0; it must lie between 0.01 and 10080"),
        (
            '[notify]\nemail_to = ["it@hospital.example", "nobody"]',
            "[notify] email_to is 'nobody'; it must be a list of addresses, \"it@hospital.example\" for example",
        ),
        (
            '[notify]\nemail_to = ["it@hospital.example"]',
            "[notify] has email_to and no email_from; set both",
        ),
        (
            '[notify]\nwebhook_url = "https://user:word@hook.example/"',
            "[notify] webhook_url is '...@hook.example/'; it must be an http or https address without user and "
            "password",
        ),
        (
            '[notify]\nsmtp_host = "mail"\nsmtp_security = "none"\nsmtp_username = "a"\nsmtp_password_file = "b"',
            '[notify] has a password and smtp_security = "none", which would show it to the network',
        ),
        ("[audit]\nkeep_days = 90", "[audit] keep_days is 90; it must lie between 183 and 36500"),
        (
            "[recieve]\nport = 1",
            "the file has unknown sections ['recieve']; known: ['audit', 'deliver', 'destination', 'log', 'model', "
            "'notify', 'page', 'queue', 'receive', 'report', 'sender', 'store', 'watch']",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(tmp_path, text, expected):
    """
    The message has section, key, value and rule.
    """
    assert complaint(tmp_path, text) == expected


@pytest.mark.parametrize("title", ["", "   ", "SEVENTEEN LETTERS", "A\\\\B", "A\\tB", "ÄRZTE"])
def test_an_impossible_ae_title_is_refused(tmp_path, title):
    """
    AE titles follow PS3.5 6.2: 1 to 16 characters of the default repertoire, no backslash, no control.
    """
    message = complaint(tmp_path, f'[receive]\nae_title = "{title}"')

    assert message.startswith("[receive] ae_title is ")
    assert "1 to 16 ASCII characters" in message


def test_spaces_around_an_ae_title_do_not_count(tmp_path):
    """
    Leading and trailing spaces of an AE are not significant (PS3.5 6.2).
    """
    assert read(tmp_path, '[receive]\nae_title = " SG SEG "').receive.ae_title == "SG SEG"


def test_a_wrong_title_in_the_allow_list_is_named_by_its_key(tmp_path):
    """
    The key is to blame, not the place in the list.
    """
    message = complaint(tmp_path, '[receive]\ncalling_ae_titles = ["GOOD", ""]')

    assert message.startswith("[receive] calling_ae_titles is ''; it must be a list of AE titles")


def test_a_destination_without_host_is_told_what_a_host_is(tmp_path):
    """
    A missing key is named with what it must be.
    """
    message = complaint(tmp_path, '[[destination]]\nname = "A"\nae_title = "PACS"\nport = 104')

    assert message == "[[destination]] number 1 has no host; it must be a host name or an IP address"


@pytest.mark.parametrize(
    "url",
    ["ftp://pacs", "pacs.example/dicom-web", "https://", "https://a b", "https://pacs?x=1", "https://pacs:0"],
)
def test_an_address_that_is_none_is_told_what_would_be_right(tmp_path, url):
    """
    Nothing but scheme, host, port and path.
    """
    message = complaint(tmp_path, WEB.format("").replace("https://pacs.example/dicom-web", url))

    assert message.startswith(f"[[destination]] number 1 url is '{url}'; it must be an http or https address")


@pytest.mark.parametrize("url", ["https://me:hunter/2@pacs", "me:hunter2@pacs", "https:/me:hunter2@pacs"])
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path, url):
    """
    Secrets stand in files; the complaint goes to a log.
    """
    message = complaint(tmp_path, re.sub('url = "[^"]*"', f'url = "{url}"', WEB.format("")))

    assert "without user, password" in message
    assert "hunter" not in message


def test_the_files_of_a_web_destination_are_relative_to_the_settings(tmp_path):
    """
    As folders are; and a slash at the end of the address does not count.
    """
    text = WEB.format("username = 'me'\npassword_file = 'secret'\nca_file = '/etc/ca.pem'")
    (peer,) = read(tmp_path, text.replace('dicom-web"', 'dicom-web/"')).destination

    assert isinstance(peer, WebDestination)
    assert (peer.password_file, peer.token_file) == (tmp_path / "secret", None)
    assert (peer.ca_file, peer.url) == (Path("/etc/ca.pem"), "https://pacs.example/dicom-web")


def test_the_files_for_tls_are_relative_to_the_settings(tmp_path):
    """
    Those of the receiver, and those of a DICOM destination.
    """
    text = '[receive]\ncertificate_file = "node.pem"\nclient_ca_file = "/etc/ca.pem"\n'
    config = read(tmp_path, text + PEER.format(name="A") + 'tls = true\nca_file = "ca.pem"')

    (peer,) = config.destination
    assert config.receive.certificate_file == tmp_path / "node.pem"
    assert config.receive.client_ca_file == Path("/etc/ca.pem")
    assert (peer.ca_file, peer.key_file) == (tmp_path / "ca.pem", None)


def test_all_problems_are_told_at_once(tmp_path):
    """
    Nobody has to start five times to find five mistakes.
    """
    lines = complaint(tmp_path, "[receive]\nport = -1\nhots = 'x'\n[page]\nport = 99999").splitlines()

    assert len(lines) == 3


def test_a_file_that_is_not_toml_is_told_with_its_line(tmp_path):
    """
    The line of the mistake is in the message.
    """
    assert "line 2" in complaint(tmp_path, "[receive]\nport == 1\n")


def test_a_file_that_is_not_there_is_named(tmp_path):
    """
    A mistyped --config does not silently start with defaults.
    """
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        load(tmp_path / "absent.toml")


def test_folders_are_relative_to_the_file(tmp_path):
    """
    The node may be started from anywhere.
    """
    config = read(tmp_path, '[store]\nfolder = "images"\n[model]\nweights = "mine"')

    assert (config.store.folder, config.weights_folder) == (tmp_path / "images", tmp_path / "mine")


def test_a_language_file_is_relative_to_the_settings(tmp_path):
    """
    As every file is; a language's name stays.
    """
    assert read(tmp_path, "[report]\nlanguage = 'own.toml'").report.language == str(tmp_path / "own.toml")
    assert read(tmp_path, "[report]\nlanguage = 'de'").report.language == "de"


def test_what_a_destination_wants_is_read(tmp_path):
    """
    Kinds in any order, and the form of each; without the keys, what every destination gets.
    """
    keys = 'results = ["text", "seg"]\nsegmentation = "fractional"\nsr_class = "comprehensive"\nnot_judged = true'
    usual, other = read(tmp_path, PEER.format(name="A") + PEER.format(name="B") + keys).destination

    assert usual.wanted == Wanted()
    assert other.wanted == Wanted(
        results=(Kind.TEXT, Kind.SEG),
        segmentation="fractional",
        sr_class="comprehensive",
    )
    assert (usual.not_judged, other.not_judged) == (False, True)


def test_settings_travel_between_our_processes_unchanged():
    """
    Children get the settings of their supervisor, port 0 (any free port) included.
    """
    web = {"name": "web", "protocol": "dicomweb", "url": "https://pacs.example", "token_file": "t"}
    dimse = {"name": "dimse", "ae_title": "PACS", "host": "pacs.example", "port": 104}
    config = Config.internal(receive={"port": 0, "calling_ae_titles": ["A"]}, destination=[web, dimse])

    assert Config.from_json(config.to_json()) == config


def test_settings_cannot_be_changed():
    """
    Settings are frozen.
    """
    with pytest.raises(ValueError, match="frozen"):
        Receive().port = 1  # type: ignore[misc]
