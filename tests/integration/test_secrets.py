"""Secrets in every store: found, kept for their lease, rotated under a running process, and never shown."""

import contextlib
import io
from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from audit import queries as trail
from integrations import credentials, operations, queries, secret_operations
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext
from integrations.errors import Denied, Refused, Unavailable
from integrations.models import StoredSecret
from integrations.secret_stores import aws, vault
from integrations.secret_stores.keys import new_key
from tests.flows.driving import TESTER
from tests.support import admin_pages, outbound
from tests.support.api import client
from tests.support.vault_peer import VaultPeer

pytestmark = pytest.mark.usefixtures("database")
NEW = new_key(key_id="key2", random=b"k" * 32)
VALUE = "s3cret-of-the-shop"


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    credentials.forget()
    yield
    for forget in (credentials.forget, vault.forget, aws.forget, queries.forget_connections):
        forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """This will be the time of the cache, in seconds, for the test to change."""
    now = [1000.0]
    monkeypatch.setattr(credentials._cache, "_clock", lambda: now[0])
    return now


@pytest.fixture
def name() -> str:
    """This will be the name of a secret and a connection that no other test uses."""
    return f"shop-{uuid4().hex[:12]}"


def command(*arguments: str, pipe: str = "") -> str:
    """This will give what the command prints."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr("sys.stdin", io.StringIO(pipe))
        call_command("automation", "secrets", *arguments)
    return out.getvalue()


def store(name: str, value: str) -> None:
    """This will store a secret past every cache of this process, as another process does."""
    secret_operations.set_secret(name=name, value=value, actor=TESTER, now=timezone.now())


def connect(name: str, *, reference: str, base_url: str = "https://shop.example") -> None:
    """This will save a connection that sends a secret."""
    spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True, secret_reference=reference)
    operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")


def call(name: str) -> object:
    """This will make one attempt, as the engine does."""
    context = CallContext(idempotency_key="k", timeout_s=60, attempt=1, run_id="r", step="s", correlation_id="c")
    return outbound.operation(uses="http.request", inputs={"path": "/x"}, connection=name, context=context)


def test_a_stored_secret_goes_in_and_never_comes_out(name: str) -> None:
    caller, path = client("admin"), f"/api/v1/secrets/{name}"

    made = caller.put(path, {"value": VALUE, "description": "of the shop"}, format="json")
    changed = caller.put(path, {"value": f"{VALUE}-2"}, format="json")
    connect(name, reference=f"db:{name}")
    shown = [caller.get(path), caller.get("/api/v1/secrets", {"limit": 200}), caller.get(f"/api/v1/connections/{name}")]
    listed = command("list")

    assert (made.status_code, changed.status_code, shown[0].json()["used_by"]) == (201, 200, [f"connection {name}"])
    assert credentials.reveal(f"db:{name}", connection="x") == f"{VALUE}-2"
    assert f"db:{name}" in listed
    told = listed + "".join(answer.content.decode() for answer in [made, changed, *shown])
    told += "".join(event.payload for event in trail.events_for(name))
    row = StoredSecret.objects.get(name=name)
    assert VALUE not in told + repr(vars(row))
    assert VALUE.encode() not in bytes(row.ciphertext)
    assert [event.kind for event in trail.events_for(name)] == ["secret.set"] * 2 + ["connection.changed"]


def test_a_secret_in_use_is_not_deleted(name: str) -> None:
    store(name, VALUE)
    connect(name, reference=f"db:{name}")
    caller, path = client("admin"), f"/api/v1/secrets/{name}"

    refused = caller.delete(path)
    connect(name, reference="")
    deleted, gone = caller.delete(path), caller.get(path)

    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "secret-in-use")
    assert (deleted.status_code, gone.status_code) == (204, 404)
    assert client("definitions:write").put(path, {"value": "x"}, format="json").status_code == 403
    with pytest.raises(Refused, match="no stored secret"):
        credentials.reveal(f"db:{name}", connection="x")


def test_a_secret_of_a_webhook_is_not_deleted(name: str) -> None:
    store(name, VALUE)
    caller, path, secrets = client("admin"), f"/api/v1/secrets/{name}", [f"db:{name}"]
    source = {"preset": "github", "secrets": secrets}
    endpoint = {"url": "https://partner.example/hook", "types": ["order.*"], "secrets": secrets}
    assert caller.put(f"/api/v1/webhook-sources/{name}", source, format="json").status_code == 201
    assert caller.put(f"/api/v1/webhook-endpoints/{name}", endpoint, format="json").status_code == 201

    by_both = caller.delete(path)
    caller.delete(f"/api/v1/webhook-sources/{name}")
    by_one = caller.delete(path)
    caller.delete(f"/api/v1/webhook-endpoints/{name}")

    assert (by_both.status_code, by_one.status_code) == (409, 409)
    assert f"is used by webhook source {name}, webhook endpoint {name}" in by_both.json()["detail"]
    assert f"is used by webhook endpoint {name}" in by_one.json()["detail"]
    assert caller.delete(path).status_code == 204


def test_keys_are_rotated_while_everything_goes_on_opening(name: str, settings: Settings) -> None:
    command("set", name, pipe=f"{VALUE}\n")
    old = settings.SECRETS_KEYS
    settings.SECRETS_KEYS = f"{NEW},{old}"
    credentials.forget()

    assert credentials.reveal(f"db:{name}", connection="x") == VALUE
    assert "encrypted anew" in command("rotate")
    assert command("rotate").startswith("0 ")
    settings.SECRETS_KEYS = NEW
    credentials.forget()
    assert credentials.reveal(f"db:{name}", connection="x") == VALUE
    settings.SECRETS_KEYS = old
    credentials.forget()
    with pytest.raises(Refused, match="key2 is not in SECRETS_KEYS"):
        credentials.reveal(f"db:{name}", connection="x")
    with pytest.raises(SystemExit):
        command("rotate")
    settings.SECRETS_KEYS = f"{old},{NEW}"
    assert "encrypted anew" in command("rotate")


def test_a_row_copied_over_another_does_not_open(name: str) -> None:
    store(name, VALUE)
    store(f"{name}-2", "another")
    row = StoredSecret.objects.get(name=name)
    StoredSecret.objects.filter(name=f"{name}-2").update(nonce=row.nonce, ciphertext=row.ciphertext)

    with pytest.raises(Refused, match="not encrypted for this row"):
        credentials.reveal(f"db:{name}-2", connection="x")


def test_the_command_makes_keys_and_refuses_what_cannot_be_stored(name: str, settings: Settings) -> None:
    assert command("key", "k-2").startswith("k-2:")
    for arguments in (["set", name], ["set", "A b"], ["delete", name], ["key", "a b"]):
        with pytest.raises(CommandError) as refusal:
            command(*arguments)
        assert refusal.value.returncode == 2
    settings.SECRETS_KEYS = ""
    with pytest.raises(CommandError, match="automation secrets key"):
        command("set", name, pipe=VALUE)


def test_admin_writes_a_secret_and_shows_none(name: str) -> None:
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    path = "/admin/integrations/storedsecret/"

    refused = browser.post(f"{path}add/", {"name": name.upper(), "value": VALUE, "description": ""})
    added = browser.post(f"{path}add/", {"name": name, "value": f"{VALUE}\r\nline 2", "description": ""})
    row, stored = StoredSecret.objects.get(name=name), credentials.reveal(f"db:{name}", connection="x")
    page = browser.get(f"{path}{row.pk}/change/")
    connect(name, reference=f"db:{name}")
    kept = browser.post(path, {"action": "delete_unused", "_selected_action": [str(row.pk)]}, follow=True)
    connect(name, reference="")
    browser.post(path, {"action": "delete_unused", "_selected_action": [str(row.pk)]})

    assert (refused.status_code, added.status_code) == (200, 302)
    assert stored == f"{VALUE}\nline 2"
    assert VALUE not in refused.content.decode() + page.content.decode()
    assert f"is used by connection {name}" in kept.content.decode()
    assert not StoredSecret.objects.filter(name=name).exists()


class Rotating:
    """A peer that takes one token only."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.seen: list[str] = []

    def __call__(self, request: Request) -> Response:
        """This will answer 401 to any other, and repeat what it was sent."""
        given = request.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append(given)
        return Response(f"you sent {given}", status=200 if given == self.token else 401)


@pytest.mark.usefixtures("each_way")
def test_a_rotated_secret_is_used_at_once_when_the_peer_denies_the_old_one(name: str, httpserver: HTTPServer) -> None:
    peer = Rotating("first-token")
    httpserver.expect_request("/x").respond_with_handler(peer)
    store(name, "first-token")
    connect(name, reference=f"db:{name}", base_url=httpserver.url_for("/"))
    assert call(name)["body"] == "you sent ***"  # type: ignore[index]  # JSON

    peer.token = "second-token"
    kept = credentials._cache._entries[f"db:{name}"]
    store(name, "second-token")
    credentials._cache._entries[f"db:{name}"] = kept  # another process has stored it: this one knows nothing of it
    assert call(name)["body"] == "you sent ***"  # type: ignore[index]  # JSON

    assert peer.seen == ["first-token", "first-token", "second-token"]
    peer.token = "a token that nobody has"
    with pytest.raises(Denied) as denied:
        call(name)
    assert peer.seen[3:] == ["second-token"]
    assert denied.value.evidence == {"status": 401, "body": "you sent ***"}


def test_a_rotated_secret_is_used_after_its_lease(name: str, clock: list[float], settings: Settings) -> None:
    store(name, "first")
    assert credentials.reveal(f"db:{name}", connection="x") == "first"
    kept = credentials._cache._entries[f"db:{name}"]
    store(name, "second")
    credentials._cache._entries[f"db:{name}"] = kept
    clock[0] += settings.SECRET_LEASE_S - 1
    assert (credentials.reveal(f"db:{name}", connection="x"), credentials.is_at_hand(f"db:{name}")) == (
        "first",
        True,
    )
    clock[0] += 1
    assert not credentials.is_at_hand(f"db:{name}")
    assert credentials.reveal(f"db:{name}", connection="x") == "second"


@pytest.fixture
def peer(httpserver: HTTPServer, settings: Settings) -> VaultPeer:
    """This will be a Vault on loopback, with the settings that lead to it."""
    found = VaultPeer(kv={"payments/live": {"token": VALUE, "pin": "1234"}})
    settings.VAULT_URL, settings.VAULT_TOKEN = found.serve(httpserver), "root-token"
    vault.forget()
    return found


def test_vault_gives_fields_of_one_path_with_one_question(peer: VaultPeer) -> None:
    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE
    assert credentials.reveal("vault:secret/payments/live#pin", connection="x") == "1234"
    assert peer.asked == ["secret/data/payments/live"]
    with pytest.raises(Refused, match="the fields there are pin, token"):
        credentials.reveal("vault:secret/payments/live#tokn", connection="x")
    with pytest.raises(Refused, match="nothing at secret/payments/other"):
        credentials.reveal("vault:secret/payments/other#token", connection="x")
    peer.deleted.add("payments/live")
    credentials.forget()
    with pytest.raises(Refused, match="nothing at"):
        credentials.reveal("vault:secret/payments/live#token", connection="x")


def test_vault_serves_what_was_known_while_it_is_away_and_no_longer(peer: VaultPeer, clock: list[float]) -> None:
    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE
    peer.is_sealed = True
    clock[0] += 65
    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE
    clock[0] += 600
    with pytest.raises(Unavailable, match="Vault does not answer"):
        credentials.reveal("vault:secret/payments/live#token", connection="x")
    peer.is_sealed = False
    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE


def test_vault_leases_are_renewed_before_they_end(peer: VaultPeer, clock: list[float]) -> None:
    peer.dynamic["database/creds/readonly"] = 90
    first = [
        credentials.reveal(f"vault:database/creds/readonly#{one}", connection="x") for one in ("username", "password")
    ]
    clock[0] += 61
    second = credentials.reveal("vault:database/creds/readonly#username", connection="x")
    assert (first, second) == (["v-app-1", "made-1-for-you"], "v-app-2")


def test_vault_logs_in_as_a_role_and_again_when_its_token_has_ended(peer: VaultPeer, settings: Settings) -> None:
    settings.VAULT_TOKEN, settings.VAULT_ROLE_ID, settings.VAULT_SECRET_ID = "", "engine", "role-secret"
    with pytest.raises(Refused, match="does not take VAULT_ROLE_ID"):
        credentials.reveal("vault:secret/payments/live#token", connection="x")
    peer.roles["engine"] = "role-secret"

    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE
    peer.tokens.clear()
    credentials.forget()
    assert credentials.reveal("vault:secret/payments/live#token", connection="x") == VALUE
    assert peer.asked.count("login") == 3


def test_vault_refuses_a_token_without_the_right_and_says_so(peer: VaultPeer, settings: Settings) -> None:
    peer.tokens.clear()
    with pytest.raises(Refused, match="see its policy"):
        credentials.reveal("vault:secret/payments/live#token", connection="x")
    settings.VAULT_URL = ""
    vault.forget()
    with pytest.raises(Refused, match="VAULT_URL is not set"):
        credentials.reveal("vault:secret/payments/live#token", connection="x")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """This will be AWS on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_aws_gives_texts_and_fields_and_what_was_rotated(moto: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": moto,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(variable, value)
    amazon = boto3.client("secretsmanager")
    amazon.create_secret(Name=f"prod/{name}", SecretString='{"token": "first", "port": 5432}')
    amazon.create_secret(Name=f"prod/{name}-text", SecretString=VALUE)

    assert credentials.reveal(f"aws:prod/{name}#token", connection="x") == "first"
    assert credentials.reveal(f"aws:prod/{name}#port", connection="x") == "5432"
    assert credentials.reveal(f"aws:prod/{name}-text", connection="x") == VALUE
    amazon.put_secret_value(SecretId=f"prod/{name}", SecretString='{"token": "second"}')
    credentials.hint([f"aws:prod/{name}#token"])
    assert credentials.reveal(f"aws:prod/{name}#token", connection="x") == "second"
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        credentials.reveal(f"aws:prod/{name}-none", connection="x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    aws.forget()
    credentials.forget()
    with pytest.raises(Unavailable, match="does not answer"):
        credentials.reveal(f"aws:prod/{name}#token", connection="x")
