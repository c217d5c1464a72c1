"""Every setting that comes from the environment, declared once; it never reads anything else.

A value that is missing or wrong stops the process at its start with a message that names all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, cast

from environs import Env, EnvValidationError

from config.env_checks import at_least, each, is_long, mail_server, one_of, reads_as, schemes, search_engine
from config.lanes import STANDARD as STANDARD_LANES
from config.lanes import parse as parse_lanes
from config.shares import parse as parse_shares
from integrations.secret_stores.keys import read_ring


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """What the documentation says about a setting. `default` is None when it must be given."""

    name: str
    kind: str
    unit: str
    default: object
    meaning: str


class WrongSettings(Exception):
    """Settings are missing or wrong; `problems` maps each name to what is wrong."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        lines = "\n".join(f"  {name}: {' '.join(texts)}" for name, texts in sorted(problems.items()))
        super().__init__(f"wrong settings in the environment (see docs/settings.md):\n{lines}")
        self.problems = problems


def _setting(
    meaning: str,
    *,
    default: object = MISSING,
    unit: str = "",
    check: Callable[..., None] | None = None,
) -> Any:  # Any: like `dataclasses.field`, this promises each caller the type it declares
    metadata = {"meaning": meaning, "unit": unit, "check": check}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def _months(meaning: str, *, default: int) -> int:
    return cast(int, _setting(meaning, default=default, unit="months", check=at_least(0)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The settings as they were at the start of the process."""

    secret_key: str = _setting("Signs sessions and tokens: 32 random characters or more.", check=is_long)
    secret_key_fallbacks: tuple[str, ...] = _setting(
        "Former secret keys: what they signed stays valid, such as links that were sent, until they are taken out.",
        default=(),
        check=is_long,
    )
    database_url: str = _setting(
        "PostgreSQL 15 or newer: postgresql://user:password@host:port/name.",
        check=schemes("postgresql", "postgres"),
    )
    broker_url: str = _setting(
        "RabbitMQ (amqp://...), or Valkey or Redis (redis://... or redis+socket:///path?virtual_host=0).",
        check=schemes("amqp", "amqps", "redis", "rediss", "redis+socket"),
    )
    redis_url: str = _setting(
        "Redis 6.2 or newer, or Valkey: redis://... or unix:///path?db=0.",
        check=schemes("redis", "rediss", "unix"),
    )

    debug: bool = _setting("Shows tracebacks to anybody: never true where others can reach it.", default=False)
    allowed_hosts: tuple[str, ...] = _setting("Host names this site answers to.", default=())
    csrf_trusted_origins: tuple[str, ...] = _setting("Origins (https://host) that may post forms.", default=())
    https: bool = _setting("Redirects to HTTPS, sets HSTS and marks cookies secure.", default=True)
    trust_proxy: bool = _setting("Believes X-Forwarded-Proto: only behind a proxy that always sets it.", default=False)
    static_manifest: bool = _setting("Serves collected, hashed static files.", default=False)

    extra_apps: tuple[str, ...] = _setting(
        "Django apps of your own: their workflows.py modules declare functions and workflows.", default=()
    )

    database_conn_max_age_s: int = _setting(
        "How long a connection to PostgreSQL is kept.", default=600, unit="s", check=at_least(0)
    )
    database_idle_transaction_s: int = _setting(
        "PostgreSQL ends a transaction idle for so long, so that a frozen process frees its locks; 0: never.",
        default=60,
        unit="s",
        check=at_least(0),
    )
    broker_redelivery_s: int = _setting(
        "Valkey or Redis as broker: when an unconfirmed message is delivered again.",
        default=900,
        unit="s",
        check=at_least(5),
    )
    delivery_limit: int = _setting(
        "How often a message comes again, because its worker died, before it goes to the queue `dead`.",
        default=20,
        check=at_least(1),
    )
    result_expires_s: int = _setting(
        "How long Redis keeps the state of a fan-out.", default=3600, unit="s", check=at_least(60)
    )
    lease_s: float = _setting(
        "How long a worker that is not heard of keeps its work before others may take it.",
        default=15.0,
        unit="s",
        check=at_least(1),
    )
    shift_s: float = _setting(
        "How long one wake-up may keep a worker for which other work waits.",
        default=1.0,
        unit="s",
        check=at_least(0.01),
    )
    dispatch_again_s: float = _setting(
        "When a wake-up that nobody answered is sent again; doubles each time.",
        default=15.0,
        unit="s",
        check=at_least(0.1),
    )
    dispatch_again_cap_s: float = _setting(
        "The longest pause between two wake-ups for the same work.",
        default=600.0,
        unit="s",
        check=at_least(1),
    )
    lanes: str = _setting(
        "The lanes, most urgent first, with their weights: their shares where they want the same worker.",
        default=STANDARD_LANES,
        check=reads_as(parse_lanes),
    )
    fairness_weights: str = _setting(
        "Weights of fairness keys, as key:weight,...; they win over the weight in a definition.",
        default="",
        check=reads_as(parse_shares),
    )
    priority_ageing_s: float = _setting(
        "How much longer work must have waited to go before work that is more important by 1.",
        default=10.0,
        unit="s",
        check=at_least(0),
    )
    dispatch_window: int = _setting(
        "How many messages may wait in the queue of a lane at most; the rest waits in the database.",
        default=200,
        unit="messages",
        check=at_least(1),
    )
    dispatch_window_s: float = _setting(
        "How much work may wait in the queue of a lane, as the time its workers need for it.",
        default=0.3,
        unit="s",
        check=at_least(0.01),
    )
    api_lane_limit: int = _setting(
        "With so many segments waiting in a lane the API refuses to start more there; 0: never.",
        default=100_000,
        unit="segments",
        check=at_least(0),
    )
    io_concurrency: int = _setting(
        "How many steps an I/O worker carries at once.", default=1000, unit="steps", check=at_least(1)
    )
    io_threads: int = _setting(
        "How many blocking functions an I/O worker runs at once, each in a thread.",
        default=16,
        unit="threads",
        check=at_least(1),
    )
    io_grace_s: float = _setting(
        "How long an I/O worker that was asked to end waits for the steps under way.",
        default=60.0,
        unit="s",
        check=at_least(0),
    )
    io_stall_s: float = _setting(
        "An I/O worker whose event loop is blocked, or whose threads are all stuck, for longer is killed.",
        default=30.0,
        unit="s",
        check=at_least(1),
    )
    api_require_idempotency_key: bool = _setting(
        "Refuses to start a run over the API without an Idempotency-Key.", default=False
    )
    carry_grace_s: float = _setting(
        "How long a segment on another lane waits for the wake-up its Celery canvas brings.",
        default=2.0,
        unit="s",
        check=at_least(0),
    )
    step_output_max_bytes: int = _setting(
        "The largest output a step may have.", default=262_144, unit="bytes", check=at_least(1024)
    )
    event_ttl_s: float = _setting(
        "How long an event is kept for steps that have not begun to wait for it, unless it says so itself.",
        default=86_400.0,
        unit="s",
        check=at_least(0),
    )
    event_ttl_max_s: float = _setting(
        "The longest an event may say it is kept for them.", default=2_678_400.0, unit="s", check=at_least(0)
    )
    for_each_max_items: int = _setting("The most items a for_each may have.", default=100_000, check=at_least(1))
    public_url: str = _setting(
        "Where people reach this site, such as https://automation.example.com: links in mails begin with it.",
        default="http://localhost:8000",
        check=schemes("http", "https"),
    )
    email_url: str = _setting(
        "The mail server: smtp://, smtp+tls:// or smtp+ssl:// user:password@host:port; empty: no mail can be sent.",
        default="",
        check=mail_server,
    )
    email_from: str = _setting("The sender of mails.", default="automation@localhost")
    secrets_keys: str = _setting(
        "The keys of stored secrets, as id:BASE64,...: the first encrypts, all decrypt; empty: none can be stored.",
        default="",
        check=reads_as(read_ring),
    )
    secret_lease_s: float = _setting(
        "How long a secret that a store gave is used without asking again.", default=60.0, unit="s", check=at_least(1)
    )
    secret_stale_s: float = _setting(
        "How much longer it is used while its store does not answer.", default=600.0, unit="s", check=at_least(0)
    )
    vault_url: str = _setting(
        "HashiCorp Vault, such as https://vault.example.com:8200; empty: there is none.", default=""
    )
    vault_namespace: str = _setting("The namespace in Vault Enterprise.", default="")
    vault_kv_mounts: tuple[str, ...] = _setting("The mounts of KV version 2 in Vault.", default=("secret",))
    vault_token: str = _setting("A token of Vault that may read the secrets.", default="")
    vault_token_file: str = _setting(
        "A file with such a token, as a Vault agent keeps it; read again when refused.", default=""
    )
    vault_role_id: str = _setting("The role that logs in to Vault (AppRole), instead of a token.", default="")
    vault_secret_id: str = _setting("The secret of that role.", default="")
    notification_channels: tuple[str, ...] = _setting(
        "Channels of your own: modules by dotted path, beside mail, webhook and log.", default=()
    )
    notification_attempts: int = _setting(
        "How often a notification is tried before it is dead.", default=10, check=at_least(1)
    )
    notification_timeout_s: float = _setting(
        "How long one attempt to send a notification may take.", default=20.0, unit="s", check=at_least(0.1)
    )
    notification_lease_s: float = _setting(
        "When a notification is sent again whose sender is not heard of; twice the timeout or more.",
        default=60.0,
        unit="s",
        check=at_least(1),
    )
    alerts_every_s: float = _setting(
        "How often a scheduler holds the rules of alerts against what it sees.",
        default=10.0,
        unit="s",
        check=at_least(0.5),
    )
    alerts_file: str = _setting(
        "A YAML file with rules of alerts, followed when it changes; empty: rules are made by people only.", default=""
    )
    opensearch_url: str = _setting(
        "Where incidents and dead letters are handed on to: https://user:password@host:9200; empty: nowhere.",
        default="",
        check=search_engine,
    )
    opensearch_prefix: str = _setting(
        "How the names of the indices begin: <prefix>-incidents, <prefix>-dead-letters.", default="automation"
    )
    opensearch_every_s: float = _setting(
        "How often a scheduler looks for what has changed.", default=5.0, unit="s", check=at_least(0.1)
    )
    opensearch_timeout_s: float = _setting(
        "How long an answer of OpenSearch is waited for.", default=10.0, unit="s", check=at_least(0.1)
    )
    reconciliation_files: str = _setting(
        "The folder that reconciliation jobs may read files from; empty: none may be read.", default=""
    )
    reconciliation_own_sql: bool = _setting(
        "Whether reconciliation jobs may read the platform's own database by SQL: whoever publishes jobs sees it all.",
        default=False,
    )
    retention_runs_months: int = _months(
        "How many whole months runs are kept after the month they began in; 0: for ever.", default=12
    )
    retention_calls_months: int = _months(
        "How many whole months calls of the outside are kept after the month their run began in; 0: for ever.",
        default=12,
    )
    retention_events_months: int = _months(
        "How many whole months events are kept after the month they came in; 0: for ever.", default=3
    )
    retention_webhooks_months: int = _months(
        "How many whole months webhook requests are kept after the month they came in; 0: for ever.", default=1
    )
    retention_notifications_months: int = _months(
        "How many whole months messages to people are kept that were sent or given up; 0: for ever.", default=3
    )
    retention_fires_months: int = _months(
        "How many whole months it is kept what became of a due time of a schedule; 0: for ever.", default=3
    )
    retention_reconciliation_months: int = _months(
        "How many whole months comparisons and closed variances are kept; 0: for ever.", default=24
    )
    retention_operations_months: int = _months(
        "How many whole months alerts, incidents, poison messages, refusals and backfills are kept that are over; "
        "0: for ever.",
        default=12,
    )
    intake_refresh_s: float = _setting(
        "How often an intake reads its sources and secrets again.", default=2.0, unit="s", check=at_least(0.5)
    )
    intake_database_s: float = _setting(
        "How long an intake waits for PostgreSQL before it asks RabbitMQ.", default=1.0, unit="s", check=at_least(0.1)
    )
    intake_most_bytes: int = _setting(
        "How much may wait in an intake to become durable; what comes then is answered with 503.",
        default=67_108_864,
        unit="bytes",
        check=at_least(1_000_000),
    )
    intake_copies: int = _setting(
        "Copies an intake holds of requests that only RabbitMQ has; 0: none.", default=20_000, check=at_least(0)
    )
    intake_copies_bytes: int = _setting(
        "How much memory these copies may take.", default=67_108_864, unit="bytes", check=at_least(1_000_000)
    )
    webhook_timeout_s: float = _setting(
        "How long one attempt to send a webhook may take.", default=20.0, unit="s", check=at_least(0.1)
    )
    webhook_disable_days: int = _setting(
        "An endpoint that has failed for so long without one success is sent nothing any more.",
        default=5,
        unit="days",
        check=at_least(1),
    )
    retention_audit_months: int = _months("How many whole months the audit trail is kept; 0: for ever.", default=84)
    retention_months_ahead: int = _setting(
        "How many months to come have their partitions already.", default=3, unit="months", check=at_least(1)
    )
    pulse_dir: str = _setting(
        "Where workers and schedulers write that they go on, for probes; empty: a folder of their user in TMPDIR.",
        default="",
    )
    log_level: str = _setting(
        "DEBUG, INFO, WARNING or ERROR.", default="INFO", check=one_of("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = _setting(
        "`json` for machines or `console` for people.", default="json", check=one_of("json", "console")
    )


def read() -> Environment:
    """This will parse and check all settings of this process. Raises WrongSettings with every problem."""
    env = Env(eager=False)  # gathers the problems instead of stopping at the first
    values = {declared.name: _value(env=env, declared=declared) for declared in fields(Environment)}
    try:
        env.seal()
    except EnvValidationError as error:
        problems = error.error_messages
        raise WrongSettings(problems if isinstance(problems, Mapping) else {"environment": problems}) from error
    return Environment(**values)


def declarations() -> Sequence[Declaration]:
    """This will list all settings in the order of the documentation."""
    return [
        Declaration(
            name=declared.name.upper(),
            kind=getattr(declared.type, "__name__", str(declared.type)),
            unit=declared.metadata["unit"],
            default=None if declared.default is MISSING else declared.default,
            meaning=declared.metadata["meaning"],
        )
        for declared in fields(Environment)
    ]


def _value(*, env: Env, declared: Field[Any]) -> Any:  # Any: the type is the field's
    name, check = declared.name.upper(), declared.metadata["check"]
    options = {} if declared.default is MISSING else {"default": declared.default}
    if declared.type not in (str, bool, int, float):
        return tuple(env.list(name, validate=check and each(check), **options) or ())
    if declared.type is bool:
        return env.bool(name, **options)
    if declared.type is int:
        return env.int(name, validate=check, **options)
    if declared.type is float:
        return env.float(name, validate=check, **options)
    return env.str(name, validate=check, **options)
