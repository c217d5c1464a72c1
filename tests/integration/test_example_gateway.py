"""The outside systems of the example as real processes, over real sockets."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from examples.orders import gateway, outside
from examples.orders.ledger import read_amounts
from examples.orders.misbehaviour import Fault, Misbehaviour
from examples.orders.outside import OutsideSystem

SEED = 7
CHARGE = {"order_id": "order-1", "amount": "29.33", "currency": "USD"}


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutsideSystem]:
    with outside.running(name="gateway", directory=tmp_path_factory.mktemp("pay"), seed=SEED) as system:
        yield system


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutsideSystem]:
    directory = tmp_path_factory.mktemp("crm")
    with outside.running(name="crm", directory=directory, is_well_behaved=True) as system:
        yield system


class Client:
    """One kept-alive connection that says what was answered."""

    def __init__(self, system: OutsideSystem) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(system.base_url).netloc, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def post(
        self, path: str, body: dict[str, str], *, key: str | None
    ) -> tuple[int, dict[str, object], http.client.HTTPMessage]:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        self.connection.request("POST", path, body=json.dumps(body), headers=headers)
        return self.answer()

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        self.connection.request("GET", path)
        return self.answer()[:2]

    def answer(self) -> tuple[int, dict[str, object], http.client.HTTPMessage]:
        response = self.connection.getresponse()
        return response.status, json.loads(response.read()), response.headers


def key_with(*faults: Fault | None) -> str:
    """The first fresh key whose requests meet these faults, one after the other."""
    misbehaviour = Misbehaviour(seed=SEED, rates=gateway.RATES)
    for number in FRESH:
        key = f"key-{number}"
        if all(misbehaviour.fault_for(key=key, nth=n) is f for n, f in enumerate(faults, start=1)):
            return key
    raise AssertionError("the numbers never end")


FRESH = count()


def test_gateway_takes_the_money_once_when_the_same_request_comes_again(payments: OutsideSystem) -> None:
    key = key_with(None, None)
    charge = {**CHARGE, "order_id": "twice"}
    with Client(payments) as client:
        before = client.get("/report")[1]["doubles_avoided"]
        first = client.post("/charges", charge, key=f'"{key}"')
        second = client.post("/charges", charge, key=f'"{key}"')
        found = client.get("/charges?order_id=twice")[1]["charges"]
        after = client.get("/report")[1]["doubles_avoided"]

    assert first[0] == second[0] == 201
    assert first[1] == second[1]
    assert first[1]["status"] == "taken"
    assert found == [first[1]]
    assert (before, after) == (0, 1)


def test_gateway_takes_the_money_twice_when_the_keys_differ(payments: OutsideSystem) -> None:
    charge = {**CHARGE, "order_id": "careless"}
    with Client(payments) as client:
        client.post("/charges", charge, key=f'"{key_with(None)}"')
        client.post("/charges", charge, key=f'"{key_with(None)}"')
        report = client.get("/report")[1]["charges"]

    assert isinstance(report, dict)
    assert report["doubled_orders"] == 1


def test_gateway_answers_422_when_a_key_comes_with_another_payload(payments: OutsideSystem) -> None:
    key = key_with(None, None)
    with Client(payments) as client:
        client.post("/charges", {**CHARGE, "order_id": "first"}, key=f'"{key}"')
        status, problem, headers = client.post("/charges", {**CHARGE, "order_id": "other"}, key=f'"{key}"')

    assert status == 422
    assert "another payload" in str(problem["detail"])
    assert headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("key", [None, "unquoted", '""', '"a"b"'])
def test_gateway_answers_400_when_the_key_is_missing_or_not_a_quoted_string(
    payments: OutsideSystem, key: str | None
) -> None:
    with Client(payments) as client:
        status, problem, _ = client.post("/charges", CHARGE, key=key)

    assert status == 400
    assert "Idempotency-Key" in str(problem["detail"])


def test_gateway_answers_409_when_the_key_is_in_progress(payments: OutsideSystem) -> None:
    key = f'"{key_with(Fault.SLOW, None)}"'
    with Client(payments) as first, Client(payments) as second, ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda client: client.post("/charges", CHARGE, key=key)[0], [first, second])

        assert sorted(answers) == [201, 409]


def test_gateway_takes_no_money_when_it_answers_503(payments: OutsideSystem) -> None:
    key = f'"{key_with(Fault.UNAVAILABLE, None)}"'
    charge = {**CHARGE, "order_id": "later"}
    with Client(payments) as client:
        first = client.post("/charges", charge, key=key)
        between = client.get("/charges?order_id=later")[1]["charges"]
        second = client.post("/charges", charge, key=key)

    assert (first[0], between, second[0]) == (503, [], 201)


def test_gateway_says_when_to_come_back_when_it_answers_429(payments: OutsideSystem) -> None:
    with Client(payments) as client:
        status, _, headers = client.post("/charges", CHARGE, key=f'"{key_with(Fault.THROTTLED)}"')

    assert (status, headers["Retry-After"]) == (429, "1")


def test_gateway_keeps_the_money_when_it_drops_the_connection(payments: OutsideSystem) -> None:
    key = f'"{key_with(Fault.DROPPED, None)}"'
    charge = {**CHARGE, "order_id": "dropped"}
    with Client(payments) as client, pytest.raises(ConnectionError):
        client.post("/charges", charge, key=key)
    with Client(payments) as client:
        taken = client.get("/charges?order_id=dropped")[1]["charges"]
        again = client.post("/charges", charge, key=key)[1]

    assert taken == [again]


def test_crm_lists_corrects_and_takes_back(crm: OutsideSystem) -> None:
    booking = {"order_id": "corrected", "amount": "2.00", "customer_id": "c", "charge_id": "ch"}
    with Client(crm) as client:
        made = client.post("/bookings", booking, key='"corrected-1"')[1]
        listed = client.get(f"/bookings?after={int(str(made['id']).partition('_')[2]) - 1}")[1]
        changed = json.dumps({**booking, "amount": "1.00"})
        client.connection.request(
            "PUT", "/bookings?order_id=corrected", body=changed, headers={"Idempotency-Key": '"corrected-2"'}
        )
        assert client.answer()[0] == 200
        corrected = client.get("/bookings?order_id=corrected")[1]["bookings"]
        client.connection.request("DELETE", "/bookings?order_id=corrected")
        assert client.answer()[0] == 200
        gone = client.get("/bookings?order_id=corrected")[1]["bookings"]

    assert listed == {"bookings": [made], "next": None}
    assert corrected == [{**made, "amount": "1.00"}]
    assert gone == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PATCH", "/charges", 405),
        ("DELETE", "/charges", 400),
        ("GET", "/charges?after=x", 400),
        ("POST", "/report", 404),
    ],
)
def test_gateway_answers_with_a_problem_when_the_address_is_wrong(
    payments: OutsideSystem, method: str, path: str, status: int
) -> None:
    with Client(payments) as client:
        client.connection.request(method, path)

        assert client.answer()[0] == status


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST /charges HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", b"HTTP/1.1 413"),
        (b"POST /charges HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 413"),
        (b"POST /charges HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 411"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    ],
)
def test_gateway_answers_and_closes_when_a_request_cannot_be_read(
    payments: OutsideSystem, sent: bytes, answered: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", payments.port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as received:
            answer = received.read()

    assert answer.startswith(answered)


def test_crm_books_and_issues_each_once_when_requests_come_again(crm: OutsideSystem) -> None:
    booking = {"order_id": "o", "amount": "1.00", "customer_id": "c", "charge_id": "ch_000001"}
    with Client(crm) as client:
        booked = [client.post("/bookings", booking, key='"book-o"')[1] for _ in range(2)]
        receipt = {"order_id": "o", "amount": "1.00", "booking_id": str(booked[0]["id"])}
        issued = [client.post("/receipts", receipt, key='"receipt-o"')[1] for _ in range(2)]
        report = client.get("/report")[1]

    assert booked[0] == booked[1]
    assert issued[0] == issued[1]
    assert report["bookings"] == {"count": 1, "total": "1.00", "doubled_orders": 0}
    assert report["receipts"] == {"count": 1, "total": "1.00", "doubled_orders": 0}
    assert report["doubles_avoided"] == 2


def test_gateway_knows_its_charges_when_it_starts_again_on_its_ledger(tmp_path: Path) -> None:
    answers = []
    for _ in range(2):
        gateway_again = outside.running(name="gateway", directory=tmp_path, is_well_behaved=True)
        with gateway_again as system, Client(system) as client:
            answers.append(client.post("/charges", CHARGE, key='"again"')[1])

    assert answers[0] == answers[1]
    assert list(read_amounts(path=tmp_path / "gateway.sqlite3", kind="charges")) == [("order-1", 2933)]


def test_outside_system_ends_without_a_word_while_a_client_is_connected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with outside.running(name="gateway", directory=tmp_path, is_well_behaved=True) as system:
        client = Client(system)
        client.post("/charges", CHARGE, key='"once"')
    client.connection.close()

    assert capfd.readouterr().err == ""


def test_outside_system_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from examples.orders import outside\n"
        "with outside.running(name='crm', directory=pathlib.Path(sys.argv[1])) as system:\n"
        "    print(system.port, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)

    assert is_refused_within(port=port, limit_s=300)


def test_outside_system_says_why_when_it_cannot_start(tmp_path: Path) -> None:
    system = outside.running(name="crm", directory=tmp_path / "missing")

    with pytest.raises(outside.DidNotStart, match="exit code 1") as failed:
        system.__enter__()

    assert (failed.value.name, failed.value.exit_code) == ("crm", 1)


def is_refused_within(*, port: int, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            continue  # it ended while this connection waited to be accepted
        time.sleep(0.05)
    return False
