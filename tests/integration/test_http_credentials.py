"""Connections that fetch access tokens (OAuth 2.0) or show a certificate (mTLS), against real peers on loopback."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from audit import queries as trail
from integrations import credentials, oauth2, operations, probes, queries, secret_operations
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext, ConnectionSettings
from integrations.errors import Denied, Refused, Unavailable
from tests.flows.driving import TESTER
from tests.support import outbound
from tests.support.certificates import Authority

pytestmark = pytest.mark.usefixtures("database")
each_way = pytest.mark.usefixtures("each_way")
CLIENT_SECRET = "s3cret+of/the engine"


class Peer:
    """An API with its token endpoint (RFC 6749). `life_s` is what it says a token lives."""

    def __init__(self) -> None:
        self.secret = CLIENT_SECRET
        self.refresh_token = "refresh-1"
        self.life_s: float | None = 3600.0
        self.issued = 0
        self.valid = ""
        self.forms: list[dict[str, list[str]]] = []
        self.seen: list[str] = []

    def token(self, request: Request) -> Response:
        """This will be the token endpoint."""
        form = parse_qs(request.get_data(as_text=True))
        self.forms.append(form)
        pair = f"engine:{'s3cret%2Bof%2Fthe%20engine' if self.secret == CLIENT_SECRET else self.secret}"
        given = request.headers.get("Authorization")
        if given != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return answer(401, {"error": "invalid_client", "error_description": f"you sent {given}"})
        if form["grant_type"] == ["refresh_token"]:
            if form["refresh_token"] != [self.refresh_token]:
                return answer(400, {"error": "invalid_grant"})
            self.refresh_token = f"refresh-{self.issued + 2}"
        self.issued += 1
        self.valid = f"token-{self.issued}-of-{uuid4().hex}"
        life = {} if self.life_s is None else {"expires_in": self.life_s}
        rotated = {"refresh_token": self.refresh_token} if form["grant_type"] == ["refresh_token"] else {}
        return answer(200, {"access_token": self.valid, "token_type": "Bearer", **life, **rotated})

    def api(self, request: Request) -> Response:
        """This will be the API: it repeats what it was sent."""
        given = request.headers.get("Authorization", "")
        self.seen.append(given)
        return answer(200 if given == f"Bearer {self.valid}" else 401, {"you sent": given})


def answer(status: int, document: object) -> Response:
    """This will answer in JSON."""
    return Response(orjson.dumps(document), status=status, content_type="application/json")


@pytest.fixture
def peer(httpserver: HTTPServer) -> Peer:
    """This will be the peer, on loopback."""
    made = Peer()
    httpserver.expect_request("/token", method="POST").respond_with_handler(made.token)
    httpserver.expect_request("/x").respond_with_handler(made.api)
    return made


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("SHOP_REFRESH_TOKEN", "refresh-1")
    oauth2.forget()
    yield
    oauth2.forget()
    credentials.forget()
    queries.forget_connections()


@pytest.fixture
def name() -> str:
    """This will be the name of a connection that no other test uses."""
    return f"shop-{uuid4().hex[:12]}"


def connect(name: str, server: HTTPServer, *, options: object = None, **fields: object) -> None:
    """This will save a connection that fetches tokens."""
    given = {"token_url": server.url_for("/token"), "client_id": "engine", "scope": "orders", **(options or {})}  # type: ignore[dict-item]
    spec = ConnectionSpec(
        **{  # type: ignore[arg-type]  # any of its fields
            "name": name,
            "base_url": server.url_for("/"),
            "allow_private": True,
            "options": {"oauth2": given, "health": {"path": "/x"}},
            "secrets": {"client_secret": "env:SHOP_CLIENT_SECRET"},
            **fields,
        }
    )
    operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")


def call(name: str) -> object:
    """This will make one attempt, as the engine does."""
    context = CallContext(idempotency_key="k", timeout_s=60, attempt=1, run_id="r", step="s", correlation_id="c")
    output = outbound.operation(uses="http.request", inputs={"path": "/x"}, connection=name, context=context)
    assert isinstance(output, dict)
    return output["body"]


@each_way
def test_a_token_is_fetched_once_sent_and_masked(name: str, peer: Peer, httpserver: HTTPServer) -> None:
    connect(name, httpserver, options={"parameters": {"audience": "shop"}})

    assert [call(name), call(name)] == [{"you sent": "Bearer ***"}] * 2
    assert peer.forms == [{"grant_type": ["client_credentials"], "scope": ["orders"], "audience": ["shop"]}]
    assert peer.seen == [f"Bearer {peer.valid}"] * 2


@each_way
def test_a_denied_token_is_fetched_anew_once(name: str, peer: Peer, httpserver: HTTPServer) -> None:
    connect(name, httpserver)
    call(name)
    peer.valid = "revoked by the peer"

    assert call(name) == {"you sent": "Bearer ***"}
    assert (peer.issued, len(peer.seen)) == (2, 3)

    peer.valid = "revoked again, at once"
    with pytest.raises(Denied):
        call(name)
    assert (peer.issued, len(peer.seen)) == (2, 4)


def test_a_token_is_renewed_before_it_ends(
    name: str, peer: Peer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(oauth2._tokens, "_clock", lambda: now[0])
    peer.life_s = 90.0
    connect(name, httpserver)
    call(name)
    now[0] += 59
    call(name)
    now[0] += 2
    call(name)

    assert peer.issued == 2


def test_many_callers_wait_for_one_token(name: str, peer: Peer, httpserver: HTTPServer) -> None:
    settings = ConnectionSettings(
        name=name,
        base_url=httpserver.url_for("/"),
        allow_private=True,
        options={"oauth2": {"token_url": httpserver.url_for("/token"), "client_id": "engine"}},
        secret_values={"client_secret": CLIENT_SECRET},
    )

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: oauth2.authorized(settings, keep=bool).headers["Authorization"], range(8)))

    assert found == [f"Bearer {peer.valid}"] * 8
    assert peer.issued == 1


def test_a_rotated_refresh_token_is_used_the_next_time(
    name: str, peer: Peer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(oauth2._tokens, "_clock", lambda: now[0])
    secrets = {"client_secret": "env:SHOP_CLIENT_SECRET", "refresh_token": "env:SHOP_REFRESH_TOKEN"}
    connect(name, httpserver, options={"grant": "refresh_token"}, secrets=secrets)
    call(name)
    now[0] += 3000
    call(name)

    assert [form["refresh_token"] for form in peer.forms] == [["refresh-1"], ["refresh-2"]]


def test_a_rotated_refresh_token_outlives_the_process_in_the_table_of_secrets(
    name: str, peer: Peer, httpserver: HTTPServer
) -> None:
    secret_operations.set_secret(name=name, value="refresh-1", actor=TESTER, now=timezone.now())
    secrets = {"client_secret": "env:SHOP_CLIENT_SECRET", "refresh_token": f"db:{name}"}
    connect(name, httpserver, options={"grant": "refresh_token"}, secrets=secrets)

    for _ in range(3):
        call(name)
        call(name)
        oauth2.forget()
        credentials.forget()

    assert [form["refresh_token"] for form in peer.forms] == [["refresh-1"], ["refresh-2"], ["refresh-3"]]
    assert credentials.reveal(f"db:{name}", connection="x") == "refresh-4"
    assert {event.actor for event in trail.events_for(name) if event.kind == "secret.set"} == {str(TESTER), "engine"}


def test_a_refresh_token_that_another_process_has_exchanged_is_read_anew(
    name: str, peer: Peer, httpserver: HTTPServer
) -> None:
    secret_operations.set_secret(name=name, value="refresh-1", actor=TESTER, now=timezone.now())
    secrets = {"client_secret": "env:SHOP_CLIENT_SECRET", "refresh_token": f"db:{name}"}
    connect(name, httpserver, options={"grant": "refresh_token"}, secrets=secrets)
    call(name)
    oauth2.forget()
    peer.refresh_token, peer.issued = "refresh-of-another", peer.issued + 10
    credentials.reveal(f"db:{name}", connection="x")
    kept = credentials._cache._entries[f"db:{name}"]
    secret_operations.set_secret(name=name, value="refresh-of-another", actor=TESTER, now=timezone.now())
    credentials._cache._entries[f"db:{name}"] = kept  # this process knows nothing of it

    assert call(name) == {"you sent": "Bearer ***"}
    assert [form["refresh_token"] for form in peer.forms[1:]] == [["refresh-2"], ["refresh-of-another"]]


def test_secrets_that_are_not_taken_are_read_anew(
    name: str, peer: Peer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(name, httpserver)
    peer.secret = "another"

    with pytest.raises(Refused, match="401: invalid_client") as refused:
        call(name)
    assert "s3cret" not in refused.value.message
    monkeypatch.setenv("SHOP_CLIENT_SECRET", "another")
    assert call(name) == {"you sent": "Bearer ***"}


def test_what_is_wrong_with_the_endpoint_is_told_by_kind(name: str, peer: Peer, httpserver: HTTPServer) -> None:
    connect(name, httpserver, options={"token_url": "http://127.0.0.1:9/token"})
    with pytest.raises(Unavailable, match="got no access token"):
        call(name)
    connect(
        name, httpserver, options={"token_url": "http://127.0.0.2:9/token"}, allowed_hosts=("localhost", "127.0.0.1")
    )
    with pytest.raises(Refused, match=r"127\.0\.0\.2 is not among the allowed hosts"):
        call(name)
    connect(name, httpserver, secrets={})
    with pytest.raises(Refused, match="needs the secret client_secret"):
        call(name)
    found = probes.probe(name=name, actor=TESTER, now=timezone.now())
    assert "needs the secret client_secret" in found.detail
    assert peer.issued == 0


@pytest.fixture(scope="module")
def authority() -> Authority:
    """This will issue certificates."""
    return Authority("an authority of the tests")


@pytest.fixture
def secured(authority: Authority) -> Iterator[HTTPServer]:
    """This will be a server that wants a certificate of every client."""
    server = HTTPServer(host="127.0.0.1", port=0, ssl_context=authority.server_context())
    server.start()
    server.expect_request("/x").respond_with_json("hello")
    yield server
    server.clear()
    server.stop()


@each_way
def test_a_certificate_is_shown_and_rotated(
    name: str, secured: HTTPServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger, ours = Authority("a stranger").issue("the engine"), authority.issue("the engine")
    fields = {
        "options": {"tls": {"ca": authority.certificate}},
        "secrets": {"client_certificate": "env:SHOP_CERTIFICATE", "client_key": "env:SHOP_KEY"},
    }
    spec = ConnectionSpec(name=name, base_url=secured.url_for("/"), allow_private=True, **fields)  # type: ignore[arg-type]
    operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")

    monkeypatch.setenv("SHOP_CERTIFICATE", stranger.certificate)
    monkeypatch.setenv("SHOP_KEY", stranger.key)
    with pytest.raises(Unavailable):
        call(name)
    monkeypatch.setenv("SHOP_CERTIFICATE", ours.certificate)
    with pytest.raises(Refused, match="no PEM certificate with its key") as refused:
        call(name)
    assert "PRIVATE KEY" not in refused.value.message
    monkeypatch.setenv("SHOP_KEY", ours.key)
    assert call(name) == "hello"


def test_a_peer_that_another_authority_vouches_for_is_not_trusted(
    name: str, secured: HTTPServer, authority: Authority
) -> None:
    spec = ConnectionSpec(
        name=name,
        base_url=secured.url_for("/"),
        allow_private=True,
        options={"tls": {"ca": Authority("a stranger").certificate}},
    )
    operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
    began = time.monotonic()

    with pytest.raises(Unavailable, match="was not sent"):
        call(name)
    assert time.monotonic() - began < 30
