"""How a web process ends: it serves on while clients go elsewhere, and finishes what is under way."""

import http.client
import os
import subprocess
import sys

from config.servers.ports import answers, free_port
from tests.support.environment import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_until


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    """This will give status and header `Connection` of an answer."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection")


def test_process_that_is_asked_to_end_serves_on_and_sends_its_clients_elsewhere(worker_processes: Processes) -> None:
    port = free_port()
    web = worker_processes.start_web(port=port, drain_s=60)
    kept, other = (http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(2))
    assert get(kept, "/api/v1/runs") == (401, None)
    assert get(other, "/health/ready")[0] == 200

    web.terminate()
    wait_until(lambda: get(other, "/health/ready")[0] == 503, what="no balancer sends anybody")
    assert get(other, "/health/live")[0] == 200
    assert get(kept, "/api/v1/runs") == (401, "close")
    assert get(kept, "/api/v1/runs") == (401, "close"), "who connects anew is served as well"

    web.terminate()
    assert web.wait() == 0
    assert not answers(port=port, say=b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", expect=b"HTTP")
    for connection in (kept, other):
        connection.close()


def test_wrong_settings_are_named_and_nothing_is_served() -> None:
    environment = {**os.environ, "BROKER_URL": "ftp://nowhere"}

    done = subprocess.run(
        [sys.executable, "-m", "config.web"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "BROKER_URL: The scheme of the URL must be one of: amqp" in done.stderr
