"""Lists alerts and their rules; sets and deletes rules."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.alerting import evaluating, rules
from automation.alerting.rule import RuleKind
from automation.management.subcommand import Subcommand, operator
from automation.models import Alert, AlertRule

_LISTED = 50


def _add_alerts(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    actions.add_parser("list", help="the alerts under way").add_argument(
        "--all", action="store_true", help="also those that are over"
    )
    actions.add_parser("rules", help="the rules")
    set_to = actions.add_parser("set", help="make a rule, or change it")
    set_to.add_argument("name")
    set_to.add_argument("--kind", required=True, choices=list(RuleKind))
    set_to.add_argument("--object", default="", help="the workflow, limit, lane or schedule; none: all of them")
    set_to.add_argument("--count", type=int, default=1, help="so many failures or waiting steps at least")
    set_to.add_argument("--over", default=0, help="waiting for longer, such as 5m")
    set_to.add_argument("--tell", action="append", required=True, help="'mail ops@example.com'; may be repeated")
    set_to.add_argument("--repeat", default=0, help="told again after so long, such as 4h")
    set_to.add_argument("--silent-end", action="store_true", help="do not say when it is over")
    delete = actions.add_parser("delete", help="delete a rule")
    delete.add_argument("name")


def _alerts(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "rules":
            _rules(console)
        case "set":
            document = {key: getattr(options, key) for key in ("kind", "object", "count", "over", "tell", "repeat")}
            rule = rules.read_rule(options.name, {**document, "tells_end": not options.silent_end})
            rules.set_rule(rule=rule, actor=operator(), now=timezone.now())
            console.print(f"{rule.name} is set", highlight=False)
        case "delete":
            rules.delete_rule(name=options.name, actor=operator(), now=timezone.now())
            console.print(f"{options.name} deleted", highlight=False)
        case _:
            _list(console, with_ended=getattr(options, "all", False))
    return 0


def _list(console: Console, *, with_ended: bool) -> None:
    table = Table("alert", "rule", "since", "over", "told", "what")
    rows = Alert.objects.order_by("-id") if with_ended else evaluating.firing()
    for row in rows[:_LISTED]:
        over = "" if row.ended_at is None else f"{row.ended_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(row.pk), row.rule, f"{row.began_at:%Y-%m-%d %H:%M:%S}", over, str(row.told), row.words)
    console.print(table)


def _rules(console: Console) -> None:
    table = Table("rule", "kind", "object", "count", "over", "repeat", "tell", "enabled", "by")
    for row in AlertRule.objects.order_by("name"):
        table.add_row(
            row.name,
            row.kind,
            row.object or "all",
            str(row.count),
            f"{row.over_s:g} s",
            f"{row.repeat_s:g} s",
            ", ".join(row.tell),
            "yes" if row.is_enabled else "no",
            "file" if row.is_declared else row.updated_by,
        )
    console.print(table)


SUBCOMMANDS = (
    Subcommand(
        name="alerts",
        help="list alerts and their rules; set or delete a rule",
        add_arguments=_add_alerts,
        run=_alerts,
    ),
)
