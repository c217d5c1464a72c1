"""Workers killed between a request and its answer: the ledger knows, and the peer has the effect once."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from integrations.models import Call
from tests.flows.driving import begin, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support.calling import BLIND, charge, shop_at
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import DeadLetter

LOOK_UP = {"path": "/charges", "found": "response.body.data.size() > 0", "body": "response.body.data[0]"}

pytestmark = pytest.mark.usefixtures("dispatcher")


class Shop:
    """A shop without idempotency keys: it charges at once, and answers a charge only when it is let."""

    def __init__(self) -> None:
        self.charges: list[dict[str, str]] = []
        self.may_answer = threading.Event()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                shop.charges.append({"id": f"ch_{len(shop.charges) + 1}"})
                shop.may_answer.wait(120)
                self._answer(shop.charges[-1])

            def do_GET(self) -> None:
                self._answer({"data": shop.charges})

            def _answer(self, body: object) -> None:
                text = orjson.dumps(body)
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """This will be where it is."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def shop() -> Iterator[Shop]:
    """This will be a shop that charges and does not answer."""
    shop = Shop()
    yield shop
    shop.may_answer.set()
    shop.server.shutdown()
    shop.server.server_close()


def test_worker_killed_between_request_and_answer_costs_no_second_charge(
    worker_processes: Processes, shop: Shop
) -> None:
    first = worker_processes.start_worker(env=HASTY, wait=False)
    name = shop_at(shop.url)
    looked_up = begin(charge(name, {**BLIND, "look_up": LOOK_UP}, timeout="20s"))
    wait_until(lambda: len(shop.charges) == 1, what="the shop has charged")

    first.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    (run,) = wait_for_end(looked_up)

    call = Call.objects.get(run_id=looked_up)
    assert (run.state, len(shop.charges)) == ("succeeded", 1)
    assert (call.outcome, call.happened, call.settled_by, call.attempts) == ("settled", True, "look_up", 1)


def test_what_nothing_protects_is_left_to_a_person(worker_processes: Processes, shop: Shop) -> None:
    first = worker_processes.start_worker(env=HASTY, wait=False)
    blind = begin(charge(shop_at(shop.url), BLIND, timeout="20s"))
    wait_until(lambda: len(shop.charges) == 1, what="the shop has charged")

    first.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    (run,) = wait_for_end(blind)

    call = Call.objects.get(run_id=blind)
    assert (run.state, len(shop.charges)) == ("failed", 1)
    assert (call.outcome, call.happened, call.attempts) == ("sending", None, 1)
    assert DeadLetter.objects.get(run_id=blind).kind == "lost"
