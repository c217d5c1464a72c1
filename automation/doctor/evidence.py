"""What the doctor has found out; values only. None stands for what could not be asked, since its store is away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What PostgreSQL says. `skew_s`: how far its clock is ahead of ours. `has_leader`: some scheduler leads."""

    version: int
    skew_s: float
    connections: int
    connections_max: int
    migrations: Sequence[str] = ()
    invalid_indexes: Sequence[str] = ()
    unguarded: Sequence[str] = ()
    has_leader: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What the broker says of a queue. `consumers` is None where the broker does not count them.

    Without a leader it takes nothing and gives nothing, for ever.
    """

    name: str
    is_there: bool = True
    is_as_declared: bool = True
    waiting: int = 0
    consumers: int | None = None
    has_leader: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """What the broker says. `version` is empty where it is Valkey or Redis; `inbound`: where webhooks wait."""

    version: str
    queues: Sequence[Queue]
    dead_queue: str = ""
    inbound: Queue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What Redis says."""

    version: str
    policy: str = "noeviction"
    skew_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits in a lane for a worker, and for how long the oldest of it has."""

    lane: str
    ready: int
    oldest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What comes in, goes out, and must agree.

    `waiting_s`: for how long the oldest of each thing has waited for a receiver. `refusing`: sources that refuse
    everything, how much, and why. `disabled`, `failing`: endpoints, and why or since when. `stores_away`,
    `secrets_missing`: of secrets, with what was said. `overdue`: reconciliations, and when they were due.
    """

    has_sources: bool = False
    waiting_s: Mapping[str, float] = field(default_factory=dict)
    refusing: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
    failing: Mapping[str, datetime] = field(default_factory=dict)
    stores_away: Mapping[str, str] = field(default_factory=dict)
    secrets_missing: Mapping[str, str] = field(default_factory=dict)
    overdue: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the tables of the engine say."""

    waiting: Sequence[Waiting] = ()
    leases_run_out: int = 0
    unknown_functions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dead_letters: int = 0
    incidents: int = 0
    months: Sequence[str] = ()
    missed_fires: Mapping[str, datetime] = field(default_factory=dict)
    dead_notifications: int = 0
    breakers_open: Sequence[str] = ()
    connections_unwell: Mapping[str, str] = field(default_factory=dict)
    pauses: Sequence[str] = ()
    out_of_reach: Sequence[str] = ()
    search_behind_s: float = 0.0
    search_refused: int = 0
    outside: Outside = field(default_factory=Outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings that can contradict each other, and those that surprise."""

    lanes: Sequence[str]
    debug: bool = False
    https: bool = True
    allowed_hosts: Sequence[str] = ("example.com",)
    public_url: str = "https://example.com"
    has_mail: bool = True
    lease_s: float = 15.0
    shift_s: float = 1.0
    dispatch_again_s: float = 15.0
    dispatch_again_cap_s: float = 600.0
    notification_timeout_s: float = 20.0
    notification_lease_s: float = 60.0
    retention_runs_months: int = 12
    retention_audit_months: int = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. `errors` has, for each store that did not answer, what it said."""

    configuration: Configuration
    database: Database | None = None
    broker: Broker | None = None
    cache: Cache | None = None
    work: Work | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
