"""Reads the rules of a job, and makes the workflows that carry them out; it publishes nothing."""

import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import orjson

from reconciliation.core.compare import VarianceKind
from reconciliation.core.record import Side
from reconciliation.core.rules import Approval, Limit, Rule
from reconciliation.jobs.spec import JobSpec, RepairRule
from workflows.core.definition import JsonObject

_Document = Mapping[str, Any]  # Any: the schema says what it holds
_ASKED = ("groups", "users", "approvers", "expires")
_INPUT: JsonObject = {
    "type": "object",
    "required": ["repair", "variance", "key", "kind", "needs_approval"],
    "properties": {
        "repair": {"type": "integer"},
        "variance": {"type": "integer"},
        "key": {"type": "string"},
        "kind": {"type": "string"},
        "fields": {"type": "array"},
        "left": {"type": ["object", "null"]},
        "right": {"type": ["object", "null"]},
        "correct": {"type": ["object", "null"]},
        "amount": {"type": ["string", "null"]},
        "needs_approval": {"type": "boolean"},
    },
}


def rule(one: _Document) -> RepairRule:
    """This will give what a rule means that is known to be right."""
    right = one["right"]
    sides = {name: Side(side) for name, side in right.items()} if isinstance(right, Mapping) else {}
    cap, approval = one.get("cap", {}), one.get("approval")
    return RepairRule(
        rule=Rule(
            name=one["name"],
            kinds=frozenset(VarianceKind(kind) for kind in one.get("kinds", ())),
            fields=frozenset(one.get("fields", ())),
            condition=one.get("if", ""),
            right=Side.LEFT if sides else Side(right),
            right_of=sides,
            cap=Limit(count=cap.get("count"), amount=_decimal(cap.get("amount"))),
            approval=None if approval is None else _approval(approval),
        ),
        digest=hashlib.sha256(orjson.dumps(one, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        step=one.get("repair"),
        asked={key: approval[key] for key in _ASKED if key in approval} if approval else {},
    )


def job_workflow(job: str) -> str:
    """This will name the workflow that compares a job."""
    return f"reconcile-{job}"


def repair_workflow(job: str, *, rule: str) -> str:
    """This will name the workflow that carries out the repairs of a rule."""
    return f"repair-{job}-{rule}"


def job_definition(spec: JobSpec) -> JsonObject:
    """This will make the definition of the workflow that compares a job, and then repairs what may be repaired."""
    asked = _asked_for_all(spec)
    steps: dict[str, Any] = {  # Any: JSON
        "compare": {
            "uses": "python",
            "with": {
                "call": "reconciliation.compare_job",
                "args": {"job": spec.name, "dry_run": "${{ input != null && has(input.dry_run) && input.dry_run }}"},
            },
            "timeout": {"start_to_close": "6h", "heartbeat": "5m"},
            "retry": {"attempts": 5, "first": "1s", "factor": 4, "cap": "10m"},
        },
        "repair": {
            "needs": ["compare", "agree"] if asked else ["compare"],
            "when": "none_failed",
            "if": "steps.compare.output.planned > 0",
            "uses": "python",
            "with": {
                "call": "reconciliation.start_repairs",
                "args": {
                    "comparison": "${{ steps.compare.output.comparison }}",
                    "agreed": "${{ steps.agree.output != null && steps.agree.output.approved }}" if asked else False,
                },
            },
        },
    }
    if asked:
        steps["agree"] = {
            "needs": "compare",
            "if": "size(steps.compare.output.asks_for) > 0",
            "uses": "approval",
            "with": {
                **asked,
                "title": f"Repair {spec.name}: ${{{{ string(steps.compare.output.planned) }}}} variances?",
                "show": {"report": "${{ steps.compare.output }}"},
            },
        }
    return {
        "name": job_workflow(spec.name),
        "description": f"Compares {spec.left.source.name} with {spec.right.source.name}, and repairs by rule.",
        "input": {"type": ["object", "null"], "properties": {"dry_run": {"type": "boolean"}}},
        **({"on": {"schedule": dict(spec.schedule)}} if spec.schedule is not None else {}),
        "steps": steps,
        "output": "${{ steps.compare.output }}",
    }


def repair_definition(spec: JobSpec, one: RepairRule) -> JsonObject:
    """This will make the definition of the workflow that carries out one repair."""
    needs_people = one.rule.approval is not None and one.rule.approval.amount is not None
    allowed = "!input.needs_approval || (steps.agree.output != null && steps.agree.output.approved)"
    steps: dict[str, Any] = {  # Any: JSON
        "repair": {
            **(one.step or {}),
            **({"needs": "agree", "when": "none_failed", "if": allowed} if needs_people else {}),
        },
        "note": {
            "needs": "repair",
            "uses": "python",
            "with": {"call": "reconciliation.note_repair", "args": {"repair": "${{ input.repair }}"}},
        },
    }
    if needs_people:
        show = {"variance": "${{ input }}"}
        title = f"Repair {spec.name}: ${{{{ input.key }}}}?"
        with_ = {**one.asked, "title": title, "show": show}
        steps["agree"] = {"if": "input.needs_approval", "uses": "approval", "with": with_}
    return {
        "name": repair_workflow(spec.name, rule=one.rule.name),
        "description": f"Repairs one variance of {spec.name} by the rule {one.rule.name}.",
        "input": _INPUT,
        "undo": "on_demand",
        "steps": steps,
    }


def definitions(spec: JobSpec) -> Iterator[tuple[int | None, JsonObject]]:
    """This will make all definitions of a job, each with the index of the rule it is for."""
    yield None, job_definition(spec)
    for index, one in enumerate(spec.rules):
        if one.step is not None:
            yield index, repair_definition(spec, one)


def _asked_for_all(spec: JobSpec) -> dict[str, object]:
    """Who is asked about all repairs of a comparison: the people of every rule that may ask."""
    asking = [one for one in spec.rules if one.rule.approval and _asks_for_all(one.rule.approval)]
    asked: dict[str, Any] = {}  # Any: JSON
    for one in asking:
        for key, value in one.asked.items():
            if isinstance(value, list):
                asked[key] = sorted({*asked.get(key, ()), *value})
            elif isinstance(value, int) and key == "approvers":
                asked[key] = max(asked.get(key, value), value)
            else:
                asked.setdefault(key, value)
    return asked


def _asks_for_all(approval: Approval) -> bool:
    return approval.count is not None or approval.total is not None


def _approval(one: _Document) -> Approval:
    return Approval(amount=_decimal(one.get("amount")), count=one.get("count"), total=_decimal(one.get("total")))


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
