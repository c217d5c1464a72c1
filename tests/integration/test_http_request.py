"""The adapter `http.request` against real peers on loopback: what is answered, and what that means."""

import gzip
from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.contract import CallContext, ConnectionSettings
from integrations.errors import CallFailed, Refused, Throttled, Unavailable, Unknown
from tests.support import outbound

pytestmark = pytest.mark.usefixtures("each_way")


def attempt(
    server: HTTPServer,
    *,
    key: str = "run-1/charge",
    number: int = 1,
    timeout_s: float = 10.0,
    limit: int = 10_000,
    allow_private: bool = True,
    secret: str = "",
    **inputs: object,
) -> Mapping[str, object]:
    """This will make one attempt through a connection to the server and return its output."""
    output = outbound.request(
        inputs={"path": "/charges", **inputs},
        connection=ConnectionSettings(
            name="shop",
            base_url=server.url_for("/api"),
            allow_private=allow_private,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            secrets=(secret,) if secret else (),
            max_response_bytes=limit,
        ),
        context=CallContext(
            idempotency_key=key,
            timeout_s=timeout_s,
            attempt=number,
            run_id="run-1",
            step="charge",
            correlation_id="order-9",
        ),
    )
    assert isinstance(output, dict)
    return output


def answer(server: HTTPServer, response: Response, *, method: str = "POST") -> None:
    """This will let the server answer every request for charges alike."""
    server.expect_request("/api/charges", method=method).respond_with_response(response)


def test_call_returns_status_headers_and_parsed_body(httpserver: HTTPServer) -> None:
    headers = {"ETag": '"7"', "Set-Cookie": "session=1", "X-Internal": "no"}
    answer(httpserver, Response('{"id": 7}', status=201, headers=headers, content_type="application/json"))

    output = attempt(httpserver, method="POST", json={"amount": "12.50"}, query={"full": True})

    assert output == {
        "status": 201,
        "headers": {"content-type": "application/json", "etag": '"7"'},
        "body": {"id": 7},
    }
    request = httpserver.log[0][0]
    assert request.get_json() == {"amount": "12.50"}
    assert request.query_string == b"full=true"


def test_call_sends_the_same_quoted_key_in_every_attempt(httpserver: HTTPServer) -> None:
    answer(httpserver, Response("down", status=503))

    for number in (1, 2):
        with pytest.raises(Unavailable):
            attempt(httpserver, method="POST", number=number)

    assert [request.headers["Idempotency-Key"] for request, _ in httpserver.log] == ['"run-1/charge"'] * 2


@pytest.mark.parametrize(
    ("status", "headers", "failure", "retry_after_s"),
    [
        (429, {"Retry-After": "3"}, Throttled, 3),
        (503, {"Retry-After": "5"}, Throttled, 5),
        (503, {}, Unavailable, None),
        (500, {}, Unknown, None),
        (404, {}, Refused, None),
    ],
)
def test_call_says_what_a_status_means(
    httpserver: HTTPServer,
    status: int,
    headers: dict[str, str],
    failure: type[CallFailed],
    retry_after_s: float | None,
) -> None:
    answer(httpserver, Response("what happened\0", status=status, headers=headers))

    with pytest.raises(failure) as failed:
        attempt(httpserver, method="POST")

    assert type(failed.value) is failure
    assert failed.value.retry_after_s == retry_after_s
    assert failed.value.evidence == {"status": status, "body": "what happened\ufffd"}


def test_call_takes_the_statuses_that_mean_success_from_the_step(httpserver: HTTPServer) -> None:
    answer(httpserver, Response("gone", status=404), method="GET")

    assert attempt(httpserver, expect_status=[200, 404])["body"] == "gone"
    with pytest.raises(Refused):
        attempt(httpserver, expect_status=200)


def test_call_does_not_follow_a_redirect(httpserver: HTTPServer) -> None:
    redirect = Response(status=302, headers={"Location": httpserver.url_for("/secret")})
    answer(httpserver, redirect, method="GET")

    with pytest.raises(Refused, match="302"):
        attempt(httpserver)

    headers = attempt(httpserver, expect_status=302)["headers"]
    assert headers == {"content-type": "text/plain; charset=utf-8", "location": httpserver.url_for("/secret")}
    assert {request.path for request, _ in httpserver.log} == {"/api/charges"}


def test_call_reaches_no_private_address_even_over_an_open_connection(httpserver: HTTPServer) -> None:
    answer(httpserver, Response("{}"), method="GET")
    attempt(httpserver)

    with pytest.raises(Refused, match="not a public address"):
        attempt(httpserver, allow_private=False)

    assert len(httpserver.log) == 1


def test_call_keeps_no_cookie_between_runs(httpserver: HTTPServer) -> None:
    answer(httpserver, Response("{}", headers={"Set-Cookie": "session=alice; Path=/"}), method="GET")

    attempt(httpserver)
    attempt(httpserver)

    assert ["Cookie" in request.headers for request, _ in httpserver.log] == [False, False]


def test_call_masks_the_secret_that_a_peer_sends_back(httpserver: HTTPServer) -> None:
    secret = uuid4().hex

    def echo(request: Request) -> Response:
        given = request.headers["Authorization"]
        return Response(f'{{"given": "{given}"}}', headers={"ETag": given}, content_type="application/json")

    httpserver.expect_request("/api/charges").respond_with_handler(echo)

    output = attempt(httpserver, secret=secret)

    assert output["body"] == {"given": "Bearer ***"}
    assert secret not in str(output)


def test_call_gives_none_for_an_empty_answer_and_text_for_what_is_not_json(httpserver: HTTPServer) -> None:
    answer(httpserver, Response(status=204, content_type="application/json"), method="DELETE")
    answer(httpserver, Response("é", content_type="text/plain; charset=utf-8"), method="GET")

    assert attempt(httpserver, method="DELETE")["body"] is None
    assert attempt(httpserver)["body"] == "é"


def test_call_says_that_it_happened_when_the_answer_is_not_the_json_it_claims(httpserver: HTTPServer) -> None:
    answer(httpserver, Response("{oops", content_type="application/problem+json"))

    with pytest.raises(Refused, match="happened") as refusal:
        attempt(httpserver, method="POST")

    assert refusal.value.evidence == {"happened": True, "status": 200, "body": "{oops"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response(b"x" * 2_000),
        lambda: Response((b"x" * 100 for _ in range(20)), headers={"Connection": "close"}),
        lambda: Response(gzip.compress(b"x" * 50_000_000), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["declared", "streamed", "compressed"],
)
def test_call_says_that_it_happened_when_the_answer_is_too_large(
    httpserver: HTTPServer, make: Callable[[], Response]
) -> None:
    answer(httpserver, make())

    with pytest.raises(Refused, match=r"happened .* larger than the 1000 bytes") as refusal:
        attempt(httpserver, method="POST", limit=1_000)

    assert refusal.value.evidence["happened"] is True


def test_call_reads_a_compressed_answer(httpserver: HTTPServer) -> None:
    compressed = gzip.compress(b'{"id": 7}')
    answer(
        httpserver,
        Response(compressed, headers={"Content-Encoding": "gzip"}, content_type="application/json"),
    )

    assert attempt(httpserver, method="POST")["body"] == {"id": 7}


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_call_never_guesses_at_an_answer_it_cannot_decode(httpserver: HTTPServer, encoding: str) -> None:
    answer(httpserver, Response(gzip.compress(b"{}")[:-6], headers={"Content-Encoding": encoding}))

    with pytest.raises((Refused, Unknown)):
        attempt(httpserver, method="POST")


@pytest.mark.parametrize("secret", ["s3cret\n", "s3crét"])
def test_call_never_repeats_a_header_that_cannot_be_sent(httpserver: HTTPServer, secret: str) -> None:
    with pytest.raises(Refused, match="a header holds") as refusal:
        attempt(httpserver, method="POST", secret=secret)

    assert "s3cr" not in refusal.value.message
    assert refusal.value.__cause__ is None
    assert httpserver.log == []
