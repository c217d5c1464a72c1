"""A small website as the peer of `browser.run`, and Debian's Chromium in front of it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.adapters.browser import run
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import Case, Peer, settings

PASSWORD = "s3cret-of-the-robot"
_PAGE = """<!doctype html><title>Shop</title><form method="post" action="/book">
<input id="word" name="word"><input id="password" name="password" type="password">
<select id="size" name="size"><option>S</option><option>L</option></select><button>Book</button></form>
<ul><li>one</li><li>two</li></ul><a id="more" href="/more">more</a>"""
_DONE = '<!doctype html><title>Done</title><p id="done">booked {word} {size}</p>'


class Site:
    """Books each word once."""

    def __init__(self) -> None:
        self.booked: set[str] = set()
        self.server = HTTPServer(host="127.0.0.1", threaded=True)
        self.server.expect_request("/").respond_with_data(_PAGE, content_type="text/html")
        self.server.expect_request("/form", method="GET").respond_with_data(_PAGE, content_type="text/html")
        self.server.expect_request("/book", method="POST").respond_with_handler(self._book)
        self.server.expect_request("/broken").respond_with_data("no", status=503)
        picture = '<img src="http://169.254.169.254/latest/meta-data">'
        self.server.expect_request("/curious").respond_with_data(f"{_PAGE}{picture}", content_type="text/html")
        self.server.start()

    def _book(self, request: Request) -> Response:
        if request.form["password"] != PASSWORD:
            return Response("who are you?", status=403)
        self.booked.add(request.form["word"])
        return Response(_DONE.format(word=request.form["word"], size=request.form["size"]), content_type="text/html")


class Run(Peer):
    """`browser.run` that books something."""

    id = "browser.run"
    adapter = run
    changes = True
    extra = "browser"
    cut_at = b"POST /book"

    @property
    def site(self) -> Site:
        """This will be the session's website."""
        return self.services.once("browser", lambda _: Site(), end=lambda site: site.server.stop())

    @property
    def port(self) -> int:
        return self.site.server.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        address = f"http://127.0.0.1:{port or self.port}"
        return settings(address, changes, secret_values={"password": PASSWORD})

    def inputs(self) -> Mapping[str, object]:
        steps = [
            {"goto": "/form"},
            {"extract": {"name": "items", "selector": "li", "all": True}},
            {"extract": {"name": "link", "selector": "#more", "attribute": "href"}},
            {"fill": {"selector": "#word", "value": self.unique()}},
            {"fill": {"selector": "#password", "secret": "password"}},
            {"select": {"selector": "#size", "value": "L"}},
            {"press": {"selector": "#word", "key": "Enter"}},
            {"wait": {"selector": "#done"}},
            {"extract": {"name": "done", "selector": "#done"}},
            {"screenshot": {"name": "done"}},
        ]
        return {"steps": steps, "step_timeout_s": 15}

    def check(self, output: Any) -> None:
        assert output["url"].endswith("/book")
        assert output["extracted"]["items"] == ["one", "two"]
        assert output["extracted"]["link"] == "/more"
        assert output["extracted"]["done"].endswith(" L")
        (picture,) = output["screenshots"]
        assert base64.b64decode(picture["content"]).startswith(b"\xff\xd8")

    def effects(self) -> int:
        return len(self.site.booked)

    def wrong(self) -> Sequence[Case]:
        steps = [{"goto": "/form"}, {"wait": {"selector": "#none"}}]
        wait = {"steps": steps, "step_timeout_s": 3}
        return (Case(inputs=wait, connection=self.connection(), says=r"steps\[1\]\.wait.*is the selector right"),)
