"""How the service is run: its sockets, its end by signals in a real process, TLS, and what it says."""

import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import fenced
import pytest

from ganworks.cli.service.serve import names_of, runs_of, settings_of
from ganworks.core.errors import GanworksError, UsageError
from ganworks.serve import run
from ganworks.serve.guard import listen
from ganworks.serve.run import Settings, sockets

HELPERS = str(Path(__file__).parents[1] / "helpers")
PROCESS = """
import sys
sys.path.insert(0, {helpers!r})
import fenced
from ganworks.core.console.voice import say
from ganworks.serve import run
from ganworks.serve.guard import listen
service = fenced.build(engine=fenced.Engine(seconds={seconds}), drain={drain})
opened = listen.tcp("127.0.0.1", 0)
say(opened[0].getsockname()[1])
cut = run.run(service.app, service.settings, opened, service.state, service.door, lambda: say("ready"))
say(f"cut {{cut}}")
"""
ASK = (b'POST /v1/models/digits/sample HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
       b'content-length: 8\r\n\r\n{"n": 1}')  # fmt: skip
READY = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Process:
    """A service in a process of its own."""

    def __init__(self, seconds=0.0, drain=20.0):
        code = PROCESS.format(helpers=HELPERS, seconds=seconds, drain=drain)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        assert self.process.stdout.readline() == "ready\n"

    def asked(self) -> socket.socket:
        one = fenced.connected(self.port)
        one.sendall(ASK)
        fenced.wait_until(lambda: b'"queue"' in self.get(READY))  # the server has read what was sent before
        return one

    def get(self, what: bytes) -> bytes:
        one = fenced.connected(self.port)
        one.sendall(what)
        return fenced.read_answer(one)

    def end(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def test_a_signal_lets_work_be_finished_while_it_says_that_it_is_not_ready():
    service = Process(seconds=1.5)
    one = service.asked()
    service.process.send_signal(signal.SIGTERM)
    fenced.wait_until(lambda: service.get(READY).startswith(b"HTTP/1.1 503"))
    assert service.get(ASK).startswith(b"HTTP/1.1 503") and b'{"status": "ok"}' in service.get(
        READY.replace(b"ready", b"health")
    )
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 200")
    code, out, err = service.end()
    assert (code, err) == (0, "") and "1 request is finished first" in out and out.endswith("cut 0\n")


def test_without_work_it_ends_at_once():
    service = Process()
    idle = fenced.connected(service.port)
    service.process.send_signal(signal.SIGINT)
    assert service.end() == (0, "cut 0\n", "")
    idle.close()


def test_what_is_not_finished_in_time_is_cut_off():
    service = Process(seconds=600, drain=0.2)
    one = service.asked()
    service.process.send_signal(signal.SIGTERM)
    _, out, err = service.end()
    assert out.endswith("cut 1\n") and "not finished within drain=0.2" in err and "Traceback" not in err
    one.close()


def test_a_second_signal_ends_it_at_once():
    service = Process(seconds=600)
    one = service.asked()
    service.process.send_signal(signal.SIGTERM)
    fenced.wait_until(lambda: service.get(READY).startswith(b"HTTP/1.1 503"))
    time.sleep(0.4)  # within 0.3 s a second one is taken for the same
    service.process.send_signal(signal.SIGTERM)
    code, _, err = service.end()
    assert code == 130 and err == ""
    one.close()


# Sockets --------------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is taken .* port={port + 1}"):
            listen.tcp("127.0.0.1", port)


def test_a_port_that_needs_rights(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listen, "_open", refuse)
    with pytest.raises(UsageError, match="needs rights"):
        listen.tcp("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "x" * 300, "a\x00b", "é" * 80])
def test_hosts_that_are_not_here(host):
    with pytest.raises(UsageError, match="is no address of this machine"):
        listen.tcp(host, 0)


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost", "::"])
def test_ipv6_and_names(host):
    try:
        opened = listen.tcp(host, 0)
    except UsageError:
        pytest.skip("no IPv6 here")
    assert len({one.getsockname()[1] for one in opened}) == 1
    [one.close() for one in opened]


def test_a_unix_socket_is_its_owners_and_replaces_what_a_kill_left(tmp_path):
    path = tmp_path / "gan.sock"
    first = listen.unix(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="a service listens there already"):
        listen.unix(path)
    first.close()
    listen.unix(path).close()


def test_unix_sockets_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="no socket"):
        listen.unix(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(UsageError, match="at most 100 bytes"):
        listen.unix(tmp_path / ("x" * 100))
    with pytest.raises(UsageError, match="Cannot make the socket"):
        listen.unix(tmp_path / "no" / "x")


def test_a_request_through_a_unix_socket(tmp_path):
    service = fenced.build(uds=str(tmp_path / "gan.sock"))
    assert not service.gate.required
    with fenced.listening(service, listen.unix(tmp_path / "gan.sock")):
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(tmp_path / "gan.sock"))
        one.sendall(READY)
        assert fenced.read_answer(one).startswith(b"HTTP/1.1 200")
    assert not (tmp_path / "gan.sock").exists()


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("openssl is not here")
    return folder


def test_tls(certificate):
    service = fenced.build(cert=str(certificate / "cert.pem"), key=str(certificate / "key.pem"))
    trusts = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with (
        fenced.listening(service) as port,
        trusts.wrap_socket(fenced.connected(port), server_hostname="localhost") as one,
    ):
        one.sendall(READY)
        said = fenced.read_answer(one)
    assert said.startswith(b"HTTP/1.1 200") and b"\r\nstrict-transport-security: " in said


def test_tls_that_cannot_be(certificate, tmp_path):
    cert, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    (tmp_path / "other.pem").write_text("no key")
    wrong = [
        ({"key": key}, "give the certificate"),
        ({"cert": "nowhere.pem", "key": key}, r"cert=nowhere\.pem cannot be read"),
        ({"cert": cert}, "belong together"),
        ({"cert": cert, "key": str(tmp_path / "other.pem")}, "belong together"),
    ]
    for given, said in wrong:
        with pytest.raises(UsageError, match=said):
            sockets(Settings(port=0, **given))


# Behind a proxy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/readyz", b"/gan/readyz"])
def test_a_root_path_that_the_proxy_cuts_off_or_not(path):
    service = fenced.build(root_path="/gan")
    with fenced.listening(service) as port:
        one = fenced.connected(port)
        one.sendall(READY.replace(b"/readyz", path))
        assert fenced.read_answer(one).startswith(b"HTTP/1.1 200")


def test_a_proxy_is_believed_only_when_it_is_named():
    for proxy, client in (((), "127.0.0.1"), (("127.0.0.1",), "10.1.2.3")):
        told = []
        service = fenced.build(proxy=proxy, tell=told.append)
        with fenced.listening(service) as port:
            one = fenced.connected(port)
            one.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 10.1.2.3\r\n\r\n")
            fenced.read_answer(one)
        assert [ticket.client for ticket in told] == [client]


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": "99999"}, "port must be from 0 to 65535"), ({"port": "x"}, "whole number"),
        ({"keys": "off"}, "auto or required"), ({"root_path": "gan"}, "must look like /gan"),
        ({"root_path": "/gan/"}, "must look like /gan"), ({"drain": "-1"}, "drain must be"),
        ({"drain": "nan"}, "drain must be"),
        ({"body": "0"}, "body"), ({"connections": "0"}, "connections"), ({"uds": "x", "port": "1"}, "instead of"),
    ],
)  # fmt: skip
def test_wrong_words(options, said):
    with pytest.raises(UsageError, match=said):
        settings_of(options)


def test_words():
    found = settings_of({"host": "0.0.0.0", "port": "0", "hosts": "a,b", "body": "2", "drain": "5"})
    assert (found.hosts, found.body, found.drain, found.local) == (("a", "b"), 2 << 20, 5.0, False)


def test_a_service_that_cannot_begin_says_why(tmp_path, monkeypatch, capsys):
    from ganworks.cli import main as cli

    monkeypatch.setenv("GANWORKS_STATE", str(tmp_path / "state"))
    (tmp_path / "digits").mkdir()
    wrong = {"host=0.0.0.0": "ganworks keys add NAME", "log=loud": "log must be", "threads=0": "threads must be",
             "memory=x": "memory must be", "audit=/dev/null/x": "Cannot write",
             "hosst=x": 'Did you mean "host"'}  # fmt: skip
    for word, said in wrong.items():
        assert cli.main(["serve", str(tmp_path / "digits"), "port=0", word]) in (1, 2)
        assert said in capsys.readouterr().err, word


def test_models_have_names(tmp_path):
    for name in ("a/digits", "b/digits"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "net.safetensors").write_bytes(b"")
    assert names_of([str(tmp_path / "a/digits"), str(tmp_path / "net.safetensors")]).keys() == {"digits", "net"}
    with pytest.raises(UsageError, match='Two models are named "digits"'):
        names_of([str(tmp_path / "a/digits"), str(tmp_path / "b/digits")])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(b"")
    with pytest.raises(UsageError, match="is no run of ganworks"):
        names_of([str(tmp_path / "photos")])
    with pytest.raises(UsageError, match="There is no run"):
        names_of(["nowhere"])


def test_the_list_of_a_studio_stands_for_its_networks(tmp_path):
    (tmp_path / "runs/digits").mkdir(parents=True)
    listed = tmp_path / "served.json"
    listed.write_text('{"models": [{"name": "digits", "path": "runs/digits"}]}')
    assert names_of(runs_of([str(listed)])) == {"digits": tmp_path / "runs/digits"}
    for wrong in ("[]", '{"models": []}', '{"models": [3]}', '{"models": [{"path": 3}]}', '{"models": 3}'):
        listed.write_text(wrong)
        with pytest.raises(UsageError, match="lists no runs"):
            runs_of([str(listed)])
    listed.write_text("{")
    with pytest.raises(GanworksError, match=r"served\.json"):
        runs_of([str(listed)])


def test_running_needs_no_torch():
    code = "import sys, ganworks.serve.run; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert run.PUBLIC
