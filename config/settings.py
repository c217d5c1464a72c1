"""Django's settings, strict unless the environment says otherwise; it names no host and holds no secret."""

from pathlib import Path
from typing import Any

import dj_database_url
import dj_email_url

from config import broker, env, lanes, process, shares
from config.theme import UNFOLD  # noqa: F401  the admin's theme, read by django-unfold

ENVIRONMENT = env.read()
BASE_DIR = Path(__file__).resolve().parent.parent

# Who we are and whom we answer
SECRET_KEY = ENVIRONMENT.secret_key
SECRET_KEY_FALLBACKS = list(ENVIRONMENT.secret_key_fallbacks)
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)
ROOT_URLCONF = "config.urls"
LOGIN_REDIRECT_URL = "admin:index"  # for who comes to the login without a page in mind
WSGI_APPLICATION = "config.wsgi.application"
BROKER_URL = ENVIRONMENT.broker_url
REDIS_URL = ENVIRONMENT.redis_url

_FOR_PEOPLE = [
    "unfold",  # before the admin it dresses
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
]
_FOR_WORK = ["django.contrib.admin.apps.SimpleAdminConfig"]  # the admin's table, and none of its pages
INSTALLED_APPS = [
    "config.apps.Wiring",
    "audit",
    "retention",
    "integrations",
    "workflows",
    "automation",
    "reconciliation",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django_celery_beat",
    *(_FOR_PEOPLE if process.serves_people() else _FOR_WORK),
    *ENVIRONMENT.extra_apps,
]
MIDDLEWARE = [
    "config.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The truth
_database_options: dict[str, Any] = {  # Any: psycopg's options have many types
    "connect_timeout": 5,
    "application_name": "automation",
    "prepare_threshold": 1,  # hot statements use server-side parameters and are planned once
}
# Hot tables swing between empty and full; a plan made while they were empty must not scan them when they are full.
_session = ["-c enable_seqscan=off", "-c jit=off", "-c plan_cache_mode=force_generic_plan"]
if ENVIRONMENT.database_idle_transaction_s:
    _session.append(f"-c idle_in_transaction_session_timeout={ENVIRONMENT.database_idle_transaction_s}s")
_database_options["options"] = " ".join(_session)
_database: Any = dj_database_url.parse(  # Any: keys of its TypedDict are set below
    ENVIRONMENT.database_url,
    conn_max_age=ENVIRONMENT.database_conn_max_age_s,
    conn_health_checks=True,
)
_database["ENGINE"] = "config.postgres"
_database["OPTIONS"] = {**_database.get("OPTIONS", {}), **_database_options}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The engine
LEASE_S = ENVIRONMENT.lease_s
SHIFT_S = ENVIRONMENT.shift_s
IO_CONCURRENCY = ENVIRONMENT.io_concurrency
IO_THREADS = ENVIRONMENT.io_threads
IO_GRACE_S = ENVIRONMENT.io_grace_s
IO_STALL_S = ENVIRONMENT.io_stall_s
DISPATCH_AGAIN_S = ENVIRONMENT.dispatch_again_s
DISPATCH_AGAIN_CAP_S = ENVIRONMENT.dispatch_again_cap_s
DISPATCH_WINDOW = ENVIRONMENT.dispatch_window
DISPATCH_WINDOW_S = ENVIRONMENT.dispatch_window_s
LANES = lanes.parse(ENVIRONMENT.lanes)
FAIRNESS_WEIGHTS = shares.parse(ENVIRONMENT.fairness_weights)
PRIORITY_AGEING_S = ENVIRONMENT.priority_ageing_s
API_LANE_LIMIT = ENVIRONMENT.api_lane_limit
DEAD_QUEUE = broker.DEAD
ALERTS_EVERY_S = ENVIRONMENT.alerts_every_s
ALERTS_FILE = ENVIRONMENT.alerts_file
OPENSEARCH_URL = ENVIRONMENT.opensearch_url
OPENSEARCH_PREFIX = ENVIRONMENT.opensearch_prefix
OPENSEARCH_EVERY_S = ENVIRONMENT.opensearch_every_s
OPENSEARCH_TIMEOUT_S = ENVIRONMENT.opensearch_timeout_s
OPERATOR_COMMANDS = ("config.reconciling",)  # what other apps add to `manage.py automation`
COMPARISONS_ENDED = "reconciliation.queries.ended"  # how the doctor learns of comparisons
ALERT_SIGNS = {"variance": "reconciliation.queries.signs"}  # what other apps let alert rules look at
RECONCILIATION_FILES = ENVIRONMENT.reconciliation_files
RECONCILIATION_OWN_SQL = ENVIRONMENT.reconciliation_own_sql
PULSE_DIR = ENVIRONMENT.pulse_dir
API_REQUIRE_IDEMPOTENCY_KEY = ENVIRONMENT.api_require_idempotency_key
CARRY_GRACE_S = ENVIRONMENT.carry_grace_s
STEP_OUTPUT_MAX_BYTES = ENVIRONMENT.step_output_max_bytes
EVENT_TTL_S = ENVIRONMENT.event_ttl_s
EVENT_TTL_MAX_S = ENVIRONMENT.event_ttl_max_s
INTAKE_REFRESH_S = ENVIRONMENT.intake_refresh_s
INTAKE_DATABASE_S = ENVIRONMENT.intake_database_s
INTAKE_MOST_BYTES = ENVIRONMENT.intake_most_bytes
INTAKE_COPIES = ENVIRONMENT.intake_copies
INTAKE_COPIES_BYTES = ENVIRONMENT.intake_copies_bytes
FOR_EACH_MAX_ITEMS = ENVIRONMENT.for_each_max_items

# Notifications
PUBLIC_URL = ENVIRONMENT.public_url
SECRETS_KEYS = ENVIRONMENT.secrets_keys
SECRET_LEASE_S, SECRET_STALE_S = ENVIRONMENT.secret_lease_s, ENVIRONMENT.secret_stale_s
VAULT_URL, VAULT_NAMESPACE = ENVIRONMENT.vault_url, ENVIRONMENT.vault_namespace
VAULT_KV_MOUNTS = ENVIRONMENT.vault_kv_mounts
VAULT_TOKEN, VAULT_TOKEN_FILE = ENVIRONMENT.vault_token, ENVIRONMENT.vault_token_file
VAULT_ROLE_ID, VAULT_SECRET_ID = ENVIRONMENT.vault_role_id, ENVIRONMENT.vault_secret_id
EMAIL_URL = ENVIRONMENT.email_url
EMAIL_FROM = DEFAULT_FROM_EMAIL = ENVIRONMENT.email_from
_mail = dj_email_url.parse(EMAIL_URL or "dummy:")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"] or "", _mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["EMAIL_USE_TLS"], _mail["EMAIL_USE_SSL"]
NOTIFICATION_CHANNELS = ENVIRONMENT.notification_channels
NOTIFICATION_ATTEMPTS = ENVIRONMENT.notification_attempts
NOTIFICATION_TIMEOUT_S = ENVIRONMENT.notification_timeout_s
NOTIFICATION_LEASE_S = ENVIRONMENT.notification_lease_s
RETENTION_RUNS_MONTHS = ENVIRONMENT.retention_runs_months
RETENTION_CALLS_MONTHS = ENVIRONMENT.retention_calls_months
RETENTION_EVENTS_MONTHS = ENVIRONMENT.retention_events_months
WEBHOOK_TIMEOUT_S = ENVIRONMENT.webhook_timeout_s
WEBHOOK_DISABLE_DAYS = ENVIRONMENT.webhook_disable_days
RETENTION_WEBHOOKS_MONTHS = ENVIRONMENT.retention_webhooks_months
RETENTION_NOTIFICATIONS_MONTHS = ENVIRONMENT.retention_notifications_months
RETENTION_FIRES_MONTHS = ENVIRONMENT.retention_fires_months
RETENTION_RECONCILIATION_MONTHS = ENVIRONMENT.retention_reconciliation_months
RETENTION_OPERATIONS_MONTHS = ENVIRONMENT.retention_operations_months
RETENTION_AUDIT_MONTHS = ENVIRONMENT.retention_audit_months
RETENTION_MONTHS_AHEAD = ENVIRONMENT.retention_months_ahead

# What makes right things fast
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENVIRONMENT.redis_url,
        "KEY_PREFIX": "automation",
    }
}

# Security
SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENVIRONMENT.https
SECURE_HSTS_PRELOAD = False  # a promise about the whole domain, which is not ours to make
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.trust_proxy else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "automation.tokens.TokenAuthentication",  # first: its challenge makes the answer 401, not 403
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "automation.problems.handle",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Automation engine",
    "DESCRIPTION": "Publish workflows, start runs, watch and repair them.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Static files: collected and hashed in an image, found where they are on a developer's machine
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if ENVIRONMENT.static_manifest else None
WHITENOISE_USE_FINDERS = not ENVIRONMENT.static_manifest
WHITENOISE_AUTOREFRESH = False
_static_backend = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if ENVIRONMENT.static_manifest
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_backend},
}

# Language, time, logs
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
LOGGING_CONFIG = "config.logs.install"
LOGGING = {"level": ENVIRONMENT.log_level, "style": ENVIRONMENT.log_format}
DJANGO_CELERY_BEAT_TZ_AWARE = True
