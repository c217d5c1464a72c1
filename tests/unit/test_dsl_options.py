"""What holds for a step and for all of a run, in typed Python: the same document as from YAML, and a right one."""

import pytest

from workflows import dsl, registry
from workflows.documents import content_hash, parse_document
from workflows.dsl import Flow, Ref, expr, item
from workflows.validation import find_problems

USES = {"http.request": {"type": "object"}}


def test_rounds_failures_limits_and_shares_are_written_as_in_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsl, "_declared", {})
    monkeypatch.setattr(registry, "_functions", {})

    @registry.function(name="shop.book_line")
    def book_line(line: int) -> None:
        """Nothing."""

    @dsl.workflow(
        name="all-of-it",
        deadline={"median": 3.0, "of": 20, "at_least": 5, "min": "10m", "action": "cancel"},
        undo="on_demand",
        cancel={"grace": "30s", "undo": False},
        fairness={"key": Ref("input").customer, "weight": 2.5},
        concurrency=[{"key": Ref("input").customer, "limit": 1, "overflow": "queue"}, {"limit": 50}],
        throttle={"limit": 20, "period": "1s", "burst": 5},
        on={"schedule": {"cron": "0 8 * * MON", "timezone": "Europe/Berlin", "overlap": "buffer_one"}},
    )
    def all_of_it(flow: Flow, value: Ref) -> None:
        poll = flow.http(
            "poll",
            connection="bank",
            method="GET",
            path="/state",
            limits=["bank-sessions", "night"],
            repeat_until={
                "condition": expr("output.body.state == 'done'"),
                "every": "30s",
                "times": 20,
                "factor": 1.5,
                "cap": "5m",
            },
            timeout={"start_to_close": "10s", "schedule_to_close": "2h"},
        )
        book = dsl.undo_python("shop.book_line", args={"line": item}, retry={"attempts": 9})
        all_lines = flow.python(
            book_line, "all", needs=poll, for_each=value.lines, parallel=4, on_failure="collect", args={"line": item},
            undo=book, undo_when="attempted",
        )  # fmt: skip
        most = {"threshold": "12.5%"}
        flow.python("shop.book_line", "most", for_each=value.lines, on_failure=most, args={"line": item})
        few = flow.python("shop.book_line", "few", for_each=[1, 2], on_failure={"threshold": 1}, args={"line": item})
        which = flow.switch("which", value=value.kind, cases={"a": "left"}, default=["right"], needs=[all_lines, few])
        flow.end_early("left", {"early": True}, needs=which)
        flow.wait("right", length="1h", needs=which)
        flow.at_end.set("tidy", {"how": Ref("run").ending})

    by_hand = parse_document("""
        name: all-of-it
        deadline: {median: 3.0, of: 20, at_least: 5, min: 10m, action: cancel}
        undo: on_demand
        cancel: {grace: 30s, undo: false}
        fairness: {key: "${{ input.customer }}", weight: 2.5}
        concurrency:
          - {key: "${{ input.customer }}", limit: 1, overflow: queue}
          - {limit: 50}
        throttle: {limit: 20, period: 1s, burst: 5}
        on: {schedule: {cron: "0 8 * * MON", timezone: Europe/Berlin, overlap: buffer_one}}
        steps:
          poll:
            uses: http.request
            connection: bank
            with: {method: GET, path: /state}
            limits: [bank-sessions, night]
            repeat_until: {condition: "${{ output.body.state == 'done' }}", every: 30s, times: 20, factor: 1.5, cap: 5m}
            timeout: {start_to_close: 10s, schedule_to_close: 2h}
          all:
            uses: python
            needs: poll
            for_each: "${{ input.lines }}"
            parallel: 4
            on_failure: collect
            with: {call: shop.book_line, args: {line: "${{ item }}"}}
            undo:
              uses: python
              with: {call: shop.book_line, args: {line: "${{ item }}"}}
              retry: {attempts: 9}
            undo_when: attempted
          most:
            uses: python
            for_each: "${{ input.lines }}"
            on_failure: {threshold: 12.5%}
            with: {call: shop.book_line, args: {line: "${{ item }}"}}
          few:
            uses: python
            for_each: [1, 2]
            on_failure: {threshold: 1}
            with: {call: shop.book_line, args: {line: "${{ item }}"}}
          which:
            uses: switch
            needs: [all, few]
            with: {value: "${{ input.kind }}", cases: {a: left}, default: [right]}
          left: {uses: return, needs: which, with: {early: true}}
          right: {uses: wait, needs: which, with: {for: 1h}}
        finally:
          tidy: {uses: set, with: {how: "${{ run.ending }}"}}
    """).document
    assert all_of_it.document == by_hand
    assert content_hash(all_of_it.document) == content_hash(by_hand)
    assert find_problems(by_hand, uses=USES, functions=registry.schemas()) == []
