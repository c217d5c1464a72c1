"""What is wrong with the work and the settings, judged from evidence; pure."""

from collections.abc import Iterator

from automation.doctor.evidence import Broker, Configuration, Evidence, Waiting, Work
from automation.doctor.finding import Finding, Level

_LATE_S = 60.0
_LOCAL = ("localhost", "127.0.0.1")
_SEARCH_BEHIND_S = 300.0


def findings(evidence: Evidence) -> Iterator[Finding]:
    """This will judge settings, processes and work."""
    yield from _settings(evidence.configuration)
    if evidence.database is not None and not evidence.database.has_leader:
        yield Finding(
            level=Level.ERROR, code="no-scheduler", what="no scheduler leads", where="schedules",
            why="nothing is dispatched, recovered or fired while none runs",
            mend="python manage.py automation scheduler",
        )  # fmt: skip
    if evidence.work is not None:
        for waiting in evidence.work.waiting:
            yield from _lane(waiting, lanes=evidence.configuration.lanes, broker=evidence.broker)
        yield from _work(evidence.work)
        yield from _history(evidence.work)


def _lane(waiting: Waiting, *, lanes: object, broker: Broker | None) -> Iterator[Finding]:
    name = waiting.lane
    said = f"{waiting.ready} segments wait, the oldest for {waiting.oldest_s:.0f} s"
    if not isinstance(lanes, list | tuple) or name not in lanes:
        yield Finding(
            level=Level.ERROR, code="lane-unknown", what=f"{said}: LANES does not name this lane", where=name,
            why="nobody dispatches its work", mend=f"put {name} into LANES and start schedulers and workers again",
        )  # fmt: skip
    elif _has_no_consumer(name, broker=broker):
        yield Finding(
            level=Level.ERROR, code="no-worker", what=f"{said}, and no worker reads this lane", where=name,
            why="its work is never begun", mend=f"python manage.py automation worker --lanes {name}",
        )  # fmt: skip
    elif waiting.oldest_s >= _LATE_S:
        yield Finding(
            level=Level.WARNING, code="lane-late", what=said, where=name,
            why="its workers do not keep up, or all of them are at long steps",
            mend=f"start more workers: python manage.py automation worker --lanes {name}",
        )  # fmt: skip


def _has_no_consumer(lane: str, *, broker: Broker | None) -> bool:
    return broker is not None and any(queue.name == lane and queue.consumers == 0 for queue in broker.queues)


def _work(work: Work) -> Iterator[Finding]:
    if work.leases_run_out:
        yield Finding(
            level=Level.ERROR, code="leases", where="work",
            what=f"{work.leases_run_out} leases ran out a minute ago and nobody took the work back",
            why="it belongs to workers that died, and no scheduler dispatches it again",
            mend="look at the logs of the schedulers for database_away and dispatch_failed; start one more",
        )  # fmt: skip
    for name, versions in work.unknown_functions.items():
        yield Finding(
            level=Level.ERROR, code="function-unknown", what=f"no function {name} is registered in this release",
            where=", ".join(versions[:3]), why="steps that call it end in dead letters",
            mend="deploy the release that has it, name its app in EXTRA_APPS, or publish a version without it",
        )  # fmt: skip
    if work.dead_letters:
        yield Finding(
            level=Level.WARNING, code="dead-letters", where="work",
            what=f"{work.dead_letters} dead letters are open, in {work.incidents} incidents",
            why="this work was given up and waits for somebody",
            mend="python manage.py automation incidents",
        )  # fmt: skip
    for name in work.breakers_open:
        yield Finding(
            level=Level.WARNING, code="breaker-open", what="its circuit breaker holds calls back", where=name,
            why="the peer failed too often or was too slow; steps wait and spend no attempt",
            mend="mend the peer: the breaker tries it out by itself",
        )  # fmt: skip
    for name, detail in work.connections_unwell.items():
        yield Finding(
            level=Level.WARNING, code="connection-unwell", what=f"its latest test failed: {detail}", where=name,
            why="steps that use it will fail", mend=f"python manage.py automation connections probe {name}",
        )  # fmt: skip
    for request in work.out_of_reach:
        yield Finding(
            level=Level.WARNING, code="nobody-can-answer", what="too few people can answer", where=request,
            why="it waits until its time is over, or for ever: a group that is asked has too few active members",
            mend="add people to the group, or escalate and expire in the definition",
        )  # fmt: skip
    for words in work.pauses:
        yield Finding(
            level=Level.WARNING, code="paused", what=f"paused: {words}", where=words.partition(":")[0],
            why="nothing begins in it", mend="python manage.py automation pauses",
        )  # fmt: skip


def _history(work: Work) -> Iterator[Finding]:
    for name, due_at in work.missed_fires.items():
        yield Finding(
            level=Level.ERROR, code="schedule-missed", what=f"was due at {due_at.isoformat()} and did not fire",
            where=name, why="no scheduler runs, or none keeps up", mend="python manage.py automation scheduler",
        )  # fmt: skip
    for problem in work.months:
        yield Finding(
            level=Level.ERROR, code="month-missing", what=problem, where="history",
            why="rows without a month are slow to read and cannot be let go",
            mend="python manage.py automation retention run",
        )  # fmt: skip
    if work.dead_notifications:
        yield Finding(
            level=Level.WARNING, code="notifications", where="notifications",
            what=f"{work.dead_notifications} notifications were given up", why="somebody was not told",
            mend="python manage.py automation notifications list --state dead, then: ... notifications retry",
        )  # fmt: skip
    if work.search_behind_s > _SEARCH_BEHIND_S:
        yield Finding(
            level=Level.WARNING, code="search-behind", where="OpenSearch",
            what=f"it was not fed for {work.search_behind_s:.0f} s", why="what fails now is not found there",
            mend="look for opensearch_away in the logs of the schedulers; OPENSEARCH_URL says where it should be",
        )  # fmt: skip
    if work.search_refused:
        yield Finding(
            level=Level.WARNING, code="search-refused", where="OpenSearch",
            what=f"it has refused {work.search_refused} documents", why="they are not found there",
            mend="look for document_refused in the logs of the schedulers, and change the mapping of the index",
        )  # fmt: skip


def _settings(given: Configuration) -> Iterator[Finding]:
    contradictions = [
        (given.shift_s >= given.lease_s, "SHIFT_S", "a shift is as long as a lease", "set SHIFT_S below LEASE_S"),
        (
            given.dispatch_again_cap_s < given.dispatch_again_s,
            "DISPATCH_AGAIN_CAP_S", "the longest pause is shorter than the first", "set it to DISPATCH_AGAIN_S or more",
        ),
        (
            given.notification_lease_s < 2 * given.notification_timeout_s,
            "NOTIFICATION_LEASE_S", "it is shorter than two timeouts: a slow message may be sent twice",
            "set it to twice NOTIFICATION_TIMEOUT_S or more",
        ),
        (
            0 < given.retention_audit_months < (given.retention_runs_months or 10**6),
            "RETENTION_AUDIT_MONTHS", "the trail goes before the runs", "set it to RETENTION_RUNS_MONTHS or more",
        ),
        (
            not given.has_mail,
            "EMAIL_URL", "no mail can be sent", "set EMAIL_URL, such as smtp+tls://user:password@mail.example.com",
        ),
        (
            not given.debug and not given.allowed_hosts,
            "ALLOWED_HOSTS", "the site answers to no host name", "set ALLOWED_HOSTS to the names it is reached by",
        ),
        (
            given.https and any(host in given.public_url for host in _LOCAL),
            "PUBLIC_URL", f"links in messages lead to {given.public_url}", "set PUBLIC_URL to the address of the site",
        ),
    ]  # fmt: skip
    for is_wrong, name, what, mend in contradictions:
        if is_wrong:
            yield Finding(level=Level.WARNING, code="setting", what=what, where=name, mend=mend)
    if given.debug:
        yield Finding(
            level=Level.ERROR if given.https else Level.WARNING, code="setting", what="tracebacks are shown to anybody",
            where="DEBUG", why="they tell strangers about code and data", mend="unset DEBUG",
        )  # fmt: skip
