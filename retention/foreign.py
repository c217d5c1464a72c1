"""How rows of Django's own tables end, and of those of libraries: nobody else says so; it never reads a row."""

from django.conf import settings

from retention.classes import Stay, Swept

SESSIONS = Swept(
    table="django_session",
    key="session_key",
    over="it.expire_date < now()",
    months=None,
    why="a row for each login of the admin; what has expired is of no use to anybody",
)
ADMIN_LOG = Swept(
    table="django_admin_log",
    over="it.action_time < %(limit)s",
    months=lambda: settings.RETENTION_AUDIT_MONTHS,
    why="a row for each form that somebody saved in the admin",
)
DECLARED = (
    "auth_user",
    "auth_group",
    "auth_permission",
    "auth_group_permissions",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_content_type",
    "django_celery_beat_solarschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_clockedschedule",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_periodictasks",
    "django_celery_beat_periodictask",
)
EVIDENCE = ("retention_hold",)
BY_STAY = {Stay.DECLARED: DECLARED, Stay.EVIDENCE: EVIDENCE}
