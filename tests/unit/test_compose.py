"""compose.yaml and the Dockerfile name what there is: commands, probes, settings, extras, apps."""

import importlib.util
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml
from django.core.management import load_command_class

from config import env, probe, web
from config.intake import _HOOKS
from tests.support.environment import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]  # Any: of a service
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
STORES = {"postgres", "rabbitmq", "redis"}
SERVED = {"config.web": web._SITE, "config.intake": _HOOKS}


def default_command() -> Sequence[str]:
    """This will be what the image runs when nothing is said."""
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    return list(yaml.safe_load(found[1]))


def parse(command: Sequence[str]) -> None:
    """This will fail unless the command is one that this release understands."""
    assert command[0] == "python"
    if command[1] == "-m":
        module, rest = command[2], list(command[3:])
        assert importlib.util.find_spec(module) is not None
        if module == "config.probe":
            probe._parse(rest)
        else:
            web._parse(rest, served=SERVED[module])
        return
    assert command[1] == "manage.py"
    app = {"migrate": "django.core", "automation": "automation"}[command[2]]
    parser = load_command_class(app, command[2]).create_parser("manage.py", command[2])
    parser.parse_args(list(command[3:]))


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_runs_something_that_this_release_has(name: str) -> None:
    parse(OURS[name].get("command", default_command()))
    if "healthcheck" in OURS[name]:
        kind, *check = OURS[name]["healthcheck"]["test"]
        assert kind == "CMD"
        parse(check)


def test_command_that_this_release_does_not_have_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["python", "-m", "config.probe", "live", "nobody"])
    with pytest.raises(Exception, match="invalid choice"):
        parse(["python", "manage.py", "automation", "receive"])


def test_each_kind_of_process_runs_and_is_asked_whether_it_is_alive() -> None:
    asked = {service["healthcheck"]["test"][-1] for service in OURS.values() if "healthcheck" in service}

    assert asked == set(probe.KINDS)


def test_what_runs_on_is_started_again_and_has_time_to_end() -> None:
    running = {name: service for name, service in OURS.items() if service["restart"] == "unless-stopped"}

    assert set(OURS) - set(running) == {"migrate", "retention"}
    assert {name for name, service in running.items() if "healthcheck" not in service} == set()
    assert {name for name, service in running.items() if "stop_grace_period" not in service} == {"scheduler"}


def test_each_setting_is_one_and_none_is_missing_that_must_be_given() -> None:
    declared = {one.name: one for one in env.declarations()}
    given = set(COMPOSE["x-app"]["environment"])

    assert given <= set(declared)
    assert {name for name, one in declared.items() if one.default is None} <= given


def test_stores_keep_their_data_and_are_waited_for() -> None:
    assert set(SERVICES) - set(OURS) == STORES
    for name in STORES:
        volume = SERVICES[name]["volumes"][0].partition(":")[0]
        assert volume in COMPOSE["volumes"]
        assert "healthcheck" in SERVICES[name]


def test_secrets_and_files_are_mounted_for_reading_only() -> None:
    targets = {volume.partition("}:")[2] for volume in COMPOSE["x-app"]["volumes"]}

    assert targets == {"/run/secrets:ro", "/files:ro"}
    assert COMPOSE["x-app"]["environment"]["RECONCILIATION_FILES"] == "/files"


def test_image_has_every_app_and_takes_extras_that_there_are() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    apps = {path.parent.name for path in ROOT.glob("*/apps.py")} | {"config"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}

    assert copied == apps - {"examples", "tests"}
    assert copied <= kept, "what the image copies is not ignored"
    assert set(OURS["web"]["build"]["args"]) == set(re.findall(r"^ARG (\w+)=", DOCKERFILE, re.MULTILINE))
    named = set(re.findall(r"--extra (\w+)", DOCKERFILE + (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert named
    assert named <= set(extras)
