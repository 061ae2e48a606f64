"""Connections that are slow, large or many, through real sockets, with limits of fractions of a second."""

import threading

import fenced
import pytest

from ganworks.serve.guard.protocol import Limits

HEAD = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n"
UPLOAD = b"POST /v1/models/digits/apply HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n"
QUICK = Limits(head=0.3, window=0.3, rate=1000, linger=0.3, idle=5, connections=8, from_one=8)


@pytest.fixture(scope="module")
def open_port():
    service = fenced.build(limits=QUICK, body=1 << 20)
    with fenced.listening(service) as port:
        yield service, port


@pytest.fixture
def port(open_port):
    fenced.wait_until(lambda: open_port[0].door.open == 0)
    yield open_port[1]
    one = fenced.connected(open_port[1])  # whatever was done, a good client is answered
    one.sendall(HEAD + b"connection: close\r\n\r\n")
    assert fenced.read_all(one).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("beginning", [b"", b"G", HEAD, HEAD + b"x: y\r\nz", b"\r\n"])
def test_a_head_that_does_not_come(port, beginning):
    one = fenced.connected(port)
    one.sendall(beginning)
    assert fenced.read_all(one).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_drips(port):
    one = fenced.connected(port)
    stop = threading.Event()

    def drip():
        while not stop.wait(0.05):
            try:
                one.sendall(b"a: b\r\n")
            except OSError:
                return

    one.sendall(HEAD)
    threading.Thread(target=drip, daemon=True).start()
    said = fenced.read_all(one)
    stop.set()
    assert said[:13] in (b"HTTP/1.1 408 ", b"")  # the reset of what was still dripping may overtake the answer


def test_a_second_head_on_an_open_connection(port):
    one = fenced.connected(port)
    one.sendall(HEAD + b"\r\n")
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 200")
    one.sendall(b"\r\nGET")
    assert fenced.read_all(one).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "said", [b"content-length: 100000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"]
)
def test_a_body_that_stalls(port, said):
    one = fenced.connected(port)
    one.sendall(UPLOAD + said)
    assert b"slow_body" in fenced.read_all(one)


def test_a_body_that_drips(port):
    one = fenced.connected(port)
    one.sendall(UPLOAD + b"content-length: 100000\r\n\r\n")
    said = b""
    one.settimeout(0.05)
    for _ in range(400):
        try:
            one.sendall(b"x")
            said += one.recv(65536)
            break
        except TimeoutError:
            continue
        except OSError:
            break
    assert b"slow_body" in said or not said


def test_half_uploads_leave_nothing_behind(open_port, port, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one = fenced.connected(port)
    part = b'--x\r\ncontent-disposition: form-data; name="file"; filename="../../a.png"\r\n\r\n'
    head = UPLOAD.replace(b"application/octet-stream", b"multipart/form-data; boundary=x")
    one.sendall(head + b"content-length: 900000\r\n\r\n" + part + b"y" * 500_000)
    one.close()
    fenced.wait_until(lambda: open_port[0].door.open == 0 and open_port[0].state.working == 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("head", "status"), [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", b"414"),
    (HEAD + b"x: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
    (HEAD + b"x: " + b"a" * 60_000, b"431"),
    (HEAD + b"x: y\r\n" * 101 + b"\r\n", b"431"),
    (b"GET /" + b"a" * 90_000, b"414"),
    (b"GET / HTTP/9.9\r\n\r\n", b"400"),
    (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", b"400"),
    (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
    (HEAD + b"x: a\r\n b\x00\r\n\r\n", b"400"),
])  # fmt: skip
def test_heads_that_are_refused(port, head, status):
    one = fenced.connected(port)
    one.sendall(head)
    said = fenced.read_all(one)
    assert said.startswith(b"HTTP/1.1 " + status) and b'"message"' in said


def test_a_large_body_sees_its_answer(port):
    one = fenced.connected(port)
    one.sendall(UPLOAD + b"content-length: 3000000\r\n\r\n" + b"x" * 3_000_000)
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 413 ")
    one = fenced.connected(port)
    chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
    one.sendall(UPLOAD + b"transfer-encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_nobody_reads_is_not_taken_for_ever(open_port, port):
    cut = open_port[0].door.cut
    one = fenced.connected(port)
    one.sendall(UPLOAD + b"content-length: 900000000\r\n\r\n")
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 413 ")
    fenced.wait_until(lambda: open_port[0].door.open == 0)
    assert open_port[0].door.cut == cut + 1


def test_a_client_that_does_not_read(open_port, port):
    cut = open_port[0].door.cut
    one = fenced.connected(port)
    one.sendall(b"GET /v1/much HTTP/1.1\r\nhost: localhost\r\n\r\n")
    fenced.wait_until(lambda: open_port[0].door.cut == cut + 1 and open_port[0].state.working == 0)
    one.close()


def test_a_client_that_reads_gets_all(port):
    one = fenced.connected(port)
    one.sendall(b"GET /v1/much HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    count = 0
    while piece := one.recv(1 << 20):
        count += len(piece)
    assert count > 1000 * 65536


def test_too_many_connections_and_then_fewer(open_port, port):
    held = [fenced.connected(port) for _ in range(8)]
    fenced.wait_until(lambda: open_port[0].door.open == 8)
    over = fenced.connected(port)
    assert fenced.read_all(over).startswith(b"HTTP/1.1 503 ")
    [one.close() for one in held]
    fenced.wait_until(lambda: open_port[0].door.open == 0)


def test_one_address_has_its_share():
    from ganworks.serve.guard.protocol import Door

    door = Door(Limits(connections=5, from_one=2), proxies=("10.0.0.9",))
    assert [door.enter("10.0.0.1") for _ in range(3)] == [True, True, False] and door.enter("10.0.0.2")
    door.leave("10.0.0.1")
    assert door.enter("10.0.0.1") and [door.enter("10.0.0.9") for _ in range(3)] == [True, True, False]
    assert not door.enter("127.0.0.1") and door.open == 5 and door.refused == 3


def test_requests_in_a_row_without_waiting(port):
    one = fenced.connected(port)
    one.sendall((HEAD + b"\r\n") * 3)
    got = [fenced.read_answer(one)]
    while got[-1].count(b"HTTP/1.1 200") + sum(g.count(b"HTTP/1.1 200") for g in got[:-1]) < 3:
        got.append(one.recv(65536))
    one.close()
    one = fenced.connected(port)
    one.sendall((UPLOAD + b"content-length: 5\r\n\r\nhello") * 40)
    fenced.read_all(one)  # closed after a few


def test_100_continue_is_not_said_to_what_is_refused(port):
    one = fenced.connected(port)
    one.sendall(UPLOAD + b"expect: 100-continue\r\ncontent-length: 9000000\r\n\r\n")
    assert fenced.read_answer(one).startswith(b"HTTP/1.1 413 ")
