"""How comparisons read what is slow, far away or only partly there: real peers, real databases, real waits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from django.db import connections
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations import http, queries
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from integrations.errors import CallFailed
from reconciliation import comparing, operations
from reconciliation.core import buckets
from reconciliation.core.record import Record
from reconciliation.errors import ComparisonLost, ComparisonUnderWay, SourceFailed
from reconciliation.jobs.spec import SideSpec, SourceSpec
from reconciliation.models import Comparison, Variance
from reconciliation.pulse import Pulse
from reconciliation.reading import remote as remote_module
from reconciliation.reading import sides
from reconciliation.reading.calls import Caller
from reconciliation.reading.dialects import BY_SCHEME
from reconciliation.reading.remote import Remote
from tests.flows.driving import TESTER
from tests.flows.reconciliations import BOOKS, Books
from tests.support.peers import table
from tests.support.peers.contract import Services
from tests.support.peers.sql import _SqlPeer
from tests.support.waiting import wait_until

PAGES = 12


@pytest.fixture(autouse=True)
def _apart(database: None) -> Iterator[None]:
    """No connection outlives its test."""
    yield
    http.close_connections()
    queries.forget_connections()


@pytest.fixture
def books() -> Iterator[tuple[str, Books]]:
    """This will be the name of a job and its empty books."""
    name = f"job-{uuid4().hex[:12]}"
    BOOKS[name] = Books()
    yield name, BOOKS[name]
    del BOOKS[name]


class Shop:
    """A listing of twelve pages of one order each; `fails` is asked how many times a page is answered 503."""

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[int] = []
        self.fails: dict[int, int] = {}
        server.expect_request("/orders").respond_with_handler(self._page)

    def _page(self, request: Request) -> Response:
        number = int(request.args["page"])
        self.asked.append(number)
        if self.fails.get(number, 0) > 0:
            self.fails[number] -= 1
            return Response("later", status=503)
        found = [{"id": f"o{number:02}", "total": "1.00"}] if number <= PAGES else []
        return Response(orjson.dumps({"orders": found}), content_type="application/json")


@pytest.fixture
def shop(httpserver: HTTPServer) -> Shop:
    """This will be a shop on loopback."""
    return Shop(httpserver)


def connect(base_url: str, **fields: object) -> str:
    name = f"far-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True, **fields)  # type: ignore[arg-type]  # any of its fields
    integrations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
    return name


def publish(name: str, *, left: object, right: object, **more: object) -> None:
    document = {"name": name, "left": left, "right": right, "key": "id", "fields": {"total": "number"}, **more}
    operations.publish(source=orjson.dumps(document).decode(), actor=TESTER, now=timezone.now())


def listed(connection: str) -> dict[str, object]:
    asked = {"path": "/orders", "query": {"page": "${{ page.number }}"}}
    return {"pages": {"uses": "http.request", "connection": connection, "with": asked, "records": "output.body.orders"}}


def booked(name: str, side: str) -> dict[str, object]:
    return {"function": {"call": "flows.ledger", "args": {"book": name, "side": side}}}


def compare(name: str, *, alive: Callable[[int], None] = lambda _rows: None) -> Comparison:
    return comparing.carry_out(name=name, is_dry_run=False, actor=TESTER, now=timezone.now(), alive=alive)


def test_comparison_goes_on_where_it_was_when_the_rate_lets_it_call_again(
    books: tuple[str, Books], shop: Shop, httpserver: HTTPServer
) -> None:
    name, book = books
    connection = connect(httpserver.url_for("/"), rate_limit=4, rate_period_s=1.0)
    publish(name, left=listed(connection), right=booked(name, "right"))
    book.right.update({f"o{number:02}": {"total": "1.00"} for number in range(2, PAGES + 1)})

    row = compare(name)

    assert shop.asked == list(range(1, PAGES + 2))
    assert (row.left_rows, row.equal, row.by_kind, row.epoch) == (PAGES, PAGES - 1, {"missing_right": 1}, 1)


def test_peer_that_is_away_is_waited_for_once_something_was_read(
    books: tuple[str, Books], shop: Shop, httpserver: HTTPServer
) -> None:
    name, _ = books
    publish(name, left=listed(connect(httpserver.url_for("/"))), right=booked(name, "right"))
    shop.fails = {1: 1}
    with pytest.raises(CallFailed):
        compare(name)
    assert shop.asked == [1]

    shop.asked.clear()
    shop.fails = {3: 1}
    row = compare(name)

    assert shop.asked == [1, 2, 3, *range(3, PAGES + 2)]
    assert row.left_rows == PAGES


def test_lease_is_kept_while_one_side_is_collected(
    books: tuple[str, Books], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name, _ = books
    monkeypatch.setattr(comparing, "RENEWED_EVERY_S", 0.1)
    began, gate = str(tmp_path / "began"), str(tmp_path / "gate")
    slow = {"function": {"call": "flows.gated", "args": {"began": began, "gate": gate}}}
    publish(name, left={"function": {"call": "flows.alone"}}, right=slow)
    done: list[Comparison] = []

    def carry_out() -> None:
        try:
            done.append(compare(name))
        finally:
            connections.close_all()

    comparing_thread = threading.Thread(target=carry_out)
    comparing_thread.start()

    def lease() -> object:
        return Comparison.objects.filter(job__name=name).values_list("lease_until", flat=True).first()

    wait_until(lambda: lease() is not None, what="it has begun")
    first = Comparison.objects.get(job__name=name)
    wait_until(lambda: lease() != first.lease_until, what="the lease is renewed while the right side is collected")
    with pytest.raises(ComparisonUnderWay):
        compare(name)
    (tmp_path / "gate").touch()
    comparing_thread.join(120)

    assert [row.epoch for row in done] == [1]


def test_rows_of_both_sides_are_signs_of_life(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, left=booked(name, "left"), right=booked(name, "right"))
    for side in (book.left, book.right):
        side.update({f"{number:04}": {"total": number} for number in range(250)})
    told: list[int] = []
    pulse = Pulse(alive=told.append, told_every_s=0.0)
    begun = operations.begin(name=name, is_dry_run=False, actor=TESTER, now=timezone.now())

    with sides.opened(begun.spec, asked=sides.Asked(window=None, now=timezone.now(), pulse=pulse)) as streams:
        next(streams.left)
        next(streams.right)

    assert told == [100, 200, 300, 400]
    assert operations.fail(begun, error="only read", now=timezone.now())


def test_comparison_that_was_taken_over_ends_at_its_next_row() -> None:
    def lost() -> None:
        raise ComparisonLost(7)

    pulse = Pulse(renew=lost, renewed_every_s=0.01, told_every_s=0.05)
    with pulse.kept(), pytest.raises(ComparisonLost):
        pulse.wait(120)


@pytest.fixture(params=["postgresql", "mariadb"])
def far(request: pytest.FixtureRequest, services: Services) -> _SqlPeer:
    """This will be a real database of each kind."""
    found = table.find(f"sql.query-{request.param}", services=services)
    assert isinstance(found, _SqlPeer)
    return found


def led_to(far: _SqlPeer, monkeypatch: pytest.MonkeyPatch) -> str:
    settings, variable = far.connection(), f"FAR_PASSWORD_{far.unique()}".upper()
    monkeypatch.setenv(variable, settings.secret_values["password"])
    secrets = {"password": f"env:{variable}"}
    return connect(settings.base_url, kind="sql", options=dict(settings.options), secrets=secrets)


def remote(far: _SqlPeer, connection: str, query: str, *, key: Sequence[str], page: int = 3) -> Remote:
    options = {"query": query, "connection": connection}
    source = SourceSpec(name="far", kind="sql", options=options)
    side = SideSpec(source=source, key=key, columns=[("total",), ("note",)])
    scheme = far.connection().base_url.partition(":")[0]
    caller = Caller(side="left", connection=connection)
    return Remote(options=options, side=side, window=None, dialect=BY_SCHEME[scheme], caller=caller, page=page)


def filled(far: _SqlPeer, columns: str, *rows: str) -> str:
    name = f"far_{far.unique()}"
    far.ask(f"CREATE TABLE {name} ({columns})")
    far.ask(f"INSERT INTO {name} VALUES {', '.join(rows)}")
    return name


def test_every_row_comes_once_whatever_the_database_takes_for_the_same_key(
    far: _SqlPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ci = "utf8mb4_general_ci" if "mariadb" in far.id else f"ci_{far.unique()}"
    if "mariadb" not in far.id:
        far.ask(f"CREATE COLLATION {ci} (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    words = ["a", "A", "b", "B", "b", "B", "ä", "Z", "z", "c", "c", "c", "C", "c", "d e", "d-e", "10", "9"]
    rows = [f"('{word}', {number}, NULL)" for number, word in enumerate(words)]
    name = filled(far, f"id VARCHAR(20) COLLATE {ci}, total INT, note VARCHAR(9)", *rows)
    connection = led_to(far, monkeypatch)

    for page in (1, 2, 3, 5, 100):
        found = list(remote(far, connection, f"SELECT * FROM {name};", key=["id"], page=page).rows())
        assert sorted(str(row["id"]) for row in found) == sorted(words)
        assert found[0].keys() == {"id", "total", "note"}


def test_keys_of_several_columns_are_paged_in_their_order(far: _SqlPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"({day}, {place}, 1.5, 'x')" for day in (9, 10, 11) for place in (1, 2, 2, 3)]
    name = filled(far, "day INT, place INT, total DECIMAL(9, 2), note VARCHAR(9)", *rows)
    connection = led_to(far, monkeypatch)

    found = list(remote(far, connection, f"SELECT * FROM {name}", key=["day", "place"]).rows())

    assert [(row["day"], row["place"]) for row in found] == [
        (day, place) for day in (9, 10, 11) for place in (1, 2, 2, 3)
    ]


def test_key_that_is_missing_or_has_no_text_is_named(far: _SqlPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = led_to(far, monkeypatch)
    holes = filled(far, "id VARCHAR(9), total INT, note VARCHAR(9)", "('a', 1, '')", "(NULL, 2, '')", "('b', 3, '')")
    raw = "BINARY(2)" if "mariadb" in far.id else "BYTEA"
    made = "UNHEX('{}')" if "mariadb" in far.id else "decode('{}', 'hex')"
    rows = [f"({made.format(f'ff0{number}')}, 1, '')" for number in range(5)]
    odd = filled(far, f"id {raw}, total INT, note VARCHAR(9)", *rows)

    monkeypatch.setattr(remote_module, "PAGE", 2)

    for query, says in ((holes, "1 rows have no key"), (odd, "not found again by its value|invalid input syntax")):
        name = f"job-{uuid4().hex[:12]}"
        sql = {"sql": {"query": f"SELECT * FROM {query}", "connection": connection}}
        publish(name, left=sql, right=sql)
        with pytest.raises((SourceFailed, CallFailed), match=says):
            compare(name)


def test_databases_sum_as_python_does(far: _SqlPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"('k{n}ü', {n * 7}, {n}.50, 'grüße {n}')" for n in range(40)] + [
        "('k1ü', 0, 0, NULL)",
        "('K1Ü', 1, 1, '')",
    ]
    name = filled(far, "a VARCHAR(20), b INT, total DECIMAL(9, 2), note VARCHAR(20)", *rows)
    side = remote(far, led_to(far, monkeypatch), f"SELECT * FROM {name}", key=["a", "b"], page=50)
    read = list(side.rows())
    expected = buckets.summed(
        (Record(f"{row['a']}\x1f{row['b']}", (Decimal(str(row["total"])), row["note"])) for row in read),  # type: ignore[arg-type]  # text or None
        buckets=8,
    )

    sums = side.sums(buckets=8)

    assert (side.count(), sums) == (42, expected)
    some = list(side.rows(buckets=8, only=[1, 2]))
    assert len(some) == expected[1].rows + expected[2].rows


def test_databases_of_two_kinds_are_summed_and_only_what_differs_is_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = {kind: table.find(f"sql.query-{kind}", services=services) for kind in ("postgresql", "mariadb")}
    monkeypatch.setattr(sides, "SUMS_FROM", 100)
    words = [f"{'K' if n % 2 else 'k'}{n}" for n in range(1_500)]
    sources: list[object] = []
    for kind, peer in far.items():
        assert isinstance(peer, _SqlPeer)
        rows = [f"('{word}', {number}.50)" for number, word in enumerate(words)]
        if kind == "mariadb":
            rows[7], rows[8] = "('K7', 8.50)", "('lost', 8.50)"
        name = filled(peer, "id VARCHAR(20) PRIMARY KEY, total DECIMAL(9, 2)", *rows)
        query = f"SELECT id, total FROM {name} WHERE total < :most"
        sources.append({"sql": {"query": query, "connection": led_to(peer, monkeypatch), "params": {"most": 5_000}}})
    name = f"job-{uuid4().hex[:12]}"
    publish(name, left=sources[0], right=sources[1], fields={"total": "exact"})

    row = compare(name)

    found = Variance.objects.filter(job__name=name).order_by("key").values_list("key", "kind")
    assert list(found) == [("K7", "differs"), ("k8", "missing_right"), ("lost", "missing_left")]
    assert (row.left_rows, row.right_rows, row.equal) == (1_500, 1_500, 1_498)
    assert row.skipped > 1_300
    assert row.started_at < timezone.now() + timedelta(seconds=1)
