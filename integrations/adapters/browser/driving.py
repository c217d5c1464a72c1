"""A browser that takes declared steps; it has no memory, no extensions, and no other network than the gate."""

import base64
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from integrations import contents, endpoints
from integrations.adapters.browser.gate import Gate
from integrations.adapters.browser.run import CHANGING
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Refused, Unavailable, Unknown
from integrations.plain import plain

_SCHEMES: Mapping[str, int] = {"http": 80, "https": 443}
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUALITIES = (70, 30)
_PICTURE_S = 1.0
_ARGUMENTS = (
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # else it asks the network beside the proxy
    "--disable-quic",
    "--disable-dev-shm-usage",
)


@dataclass
class _Tour:
    """What has come of the steps so far."""

    page: Page
    connection: ConnectionSettings
    deadline: Deadline
    step_timeout_s: float
    gate: Gate
    may_have_changed: bool = False
    extracted: dict[str, object] = field(default_factory=dict)
    screenshots: list[Mapping[str, object]] = field(default_factory=list)

    @property
    def timeout_ms(self) -> float:
        """This will be how long the next wait may take; Playwright takes 0 for forever."""
        return max(min(self.step_timeout_s, self.deadline.left_s) * 1000, 1)


def run(
    *, inputs: Mapping[str, Any], connection: ConnectionSettings, timeout_s: float, repeatable: bool
) -> Mapping[str, object]:
    """This will take the steps one after the other. Any: the schema says what they are."""
    deadline = Deadline.after(timeout_s)
    with _tour(connection, deadline=deadline, step_timeout_s=float(inputs.get("step_timeout_s", 15))) as tour:
        for index, step in enumerate(inputs["steps"]):
            ((verb, about),) = step.items()
            try:
                _VERBS[verb](tour, about)
            except (CallFailed, PlaywrightError) as error:
                raise _failure(error, tour=tour, at=f"steps[{index}].{verb}", repeatable=repeatable) from error
            tour.may_have_changed = tour.may_have_changed or verb in CHANGING
        return {"url": tour.page.url, "extracted": tour.extracted, "screenshots": tour.screenshots}


def described(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will open the base URL, and say what it is called."""
    with _tour(connection, deadline=Deadline.after(timeout_s), step_timeout_s=timeout_s) as tour:
        try:
            _goto(tour, "")
        except PlaywrightError as error:
            raise Unavailable(_first_line(error)) from error
        return f"its title is {tour.page.title()!r}"


@contextmanager
def _tour(connection: ConnectionSettings, *, deadline: Deadline, step_timeout_s: float) -> Iterator[_Tour]:
    target = endpoints.endpoint(connection, schemes=_SCHEMES)
    endpoints.connect(target, connection=connection, timeout_s=deadline.left_s).close()
    options = connection.options
    with Gate(connection, deadline=deadline) as gate, _browser(gate, deadline=deadline) as browser:
        context = browser.new_context(
            viewport={"width": _number(options, "width", 1_280), "height": _number(options, "height", 800)},
            locale=str(options.get("language", "en-US")),
            accept_downloads=False,
            service_workers="block",
        )
        tour = _Tour(context.new_page(), connection, deadline, step_timeout_s, gate)
        yield tour


@contextmanager
def _browser(gate: Gate, *, deadline: Deadline) -> Iterator[Browser]:
    program = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        raise Refused("there is no browser on this worker: install Chromium, on Debian with apt-get install chromium")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program,
                args=[*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
                proxy={"server": gate.url, "username": gate.user, "password": gate.password},
                timeout=max(deadline.left_s * 1000, 1),
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        except PlaywrightError as error:
            raise Unavailable(f"the browser did not start: {_first_line(error)}") from error
        try:
            yield browser
        finally:
            browser.close()


def _goto(tour: _Tour, about: Any) -> None:
    path = str(about)
    base = tour.connection.base_url.rstrip("/")
    if urlsplit(path).scheme or path.startswith("//"):
        raise Refused(f"goto takes a path below {base}, not {path!r}")
    answer = tour.page.goto(f"{base}/{path.lstrip('/')}", timeout=tour.timeout_ms, wait_until="load")
    status = 200 if answer is None else answer.status
    if status >= 500:
        raise Unavailable(f"the page {path} was answered with status {status}")
    if status >= 400:
        raise Refused(f"the page {path} was answered with status {status}")


def _fill(tour: _Tour, about: Any) -> None:
    value = about.get("value")
    if value is None:
        value = tour.connection.secret_values.get(about["secret"])
        if value is None:
            raise Refused(f"connection {tour.connection.name} has no secret {about['secret']}")
    tour.page.locator(about["selector"]).fill(value, timeout=tour.timeout_ms)


def _click(tour: _Tour, about: Any) -> None:
    tour.page.locator(about["selector"]).click(timeout=tour.timeout_ms)


def _select(tour: _Tour, about: Any) -> None:
    tour.page.locator(about["selector"]).select_option(about["value"], timeout=tour.timeout_ms)


def _press(tour: _Tour, about: Any) -> None:
    tour.page.locator(about["selector"]).press(about["key"], timeout=tour.timeout_ms)


def _wait(tour: _Tour, about: Any) -> None:
    tour.page.locator(about["selector"]).first.wait_for(state=about.get("state", "visible"), timeout=tour.timeout_ms)


def _extract(tour: _Tour, about: Any) -> None:
    found = tour.page.locator(about["selector"])
    attribute = about.get("attribute")
    if about.get("all"):
        items = [item.get_attribute(attribute) if attribute else item.inner_text() for item in found.all()]
        tour.extracted[about["name"]] = plain(items)
    elif attribute:
        tour.extracted[about["name"]] = plain(found.get_attribute(attribute, timeout=tour.timeout_ms))
    else:
        tour.extracted[about["name"]] = plain(found.inner_text(timeout=tour.timeout_ms))


def _screenshot(tour: _Tour, about: Any) -> None:
    picture = _picture(tour, full_page=bool(about.get("full_page")))
    if picture is None:
        limit = tour.connection.options.get("max_screenshot_bytes", 300_000)
        raise Refused(f"the screenshot {about['name']} is larger than the {limit} bytes allowed")
    tour.screenshots.append({"name": about["name"], **picture})


_VERBS: Mapping[str, Callable[[_Tour, Any], None]] = {
    "goto": _goto,
    "fill": _fill,
    "click": _click,
    "select": _select,
    "press": _press,
    "wait": _wait,
    "extract": _extract,
    "screenshot": _screenshot,
}


def _picture(tour: _Tour, *, full_page: bool = False) -> Mapping[str, object] | None:
    """A picture of the page within the limit; None when even a coarse one is too large. Passwords are hidden."""
    limit = _number(tour.connection.options, "max_screenshot_bytes", 300_000)
    hidden = [tour.page.locator("input[type=password]")]
    for quality in _QUALITIES:
        data = tour.page.screenshot(
            type="jpeg", quality=quality, full_page=full_page, mask=hidden, timeout=tour.timeout_ms
        )
        if len(data) <= limit:
            return {
                "media_type": "image/jpeg",
                "size_bytes": len(data),
                "sha256": contents.digest(data),
                "content": base64.b64encode(data).decode(),
            }
    return None


def _failure(error: CallFailed | PlaywrightError, *, tour: _Tour, at: str, repeatable: bool) -> CallFailed:
    """A step that failed: the page as it was then is the evidence."""
    text = error.message if isinstance(error, CallFailed) else _first_line(error)
    evidence: dict[str, object] = {"at": at, "url": tour.page.url, "screenshot": _last_picture(tour)}
    if tour.gate.refused:
        evidence["hosts_not_reached"] = dict(list(tour.gate.refused.items())[:10])
        text = f"{text} ({'; '.join(list(tour.gate.refused.values())[:3])})"
    message = f"{at}: {text}"
    if tour.may_have_changed:
        return Unknown(
            f"{message}, after steps that may have changed something", evidence=evidence, repeatable=repeatable
        )
    if isinstance(error, CallFailed):
        return type(error)(message, evidence=evidence)
    is_a_page = at.endswith(".goto") or tour.deadline.has_passed
    if is_a_page or not isinstance(error, PlaywrightTimeout):
        return (Unavailable if is_a_page else Refused)(message, evidence=evidence)
    return Refused(f"{message}: is the selector right?", evidence=evidence)


def _last_picture(tour: _Tour) -> Mapping[str, object] | None:
    tour.deadline, tour.step_timeout_s = Deadline.after(_PICTURE_S), _PICTURE_S
    try:
        return _picture(tour)
    except PlaywrightError:
        return None


def _first_line(error: PlaywrightError) -> str:
    return error.message.partition("\n")[0][:500]


def _number(options: Mapping[str, object], name: str, standard: int) -> int:
    return int(str(options.get(name, standard)))
