"""The floor of the memory row: the plain Celery application with Django and a database connection in it.

Django's own applications are the ones every site with an admin has; none of ours, and no library beside them.

    celery -A benchmarks.bare_django worker -c 2
"""

import os

import dj_database_url
import django
from celery import signals
from django.conf import settings
from django.db import connection

from benchmarks import bare_celery

settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "django.contrib.postgres",
    ],
    DATABASES={"default": dj_database_url.parse(os.environ["DATABASE_URL"])},
    SECRET_KEY=os.environ["SECRET_KEY"],
    USE_TZ=True,
)
django.setup()

app = bare_celery.app
app.conf.task_default_queue = bare_celery.DJANGO_QUEUE


@signals.task_prerun.connect
def _use_database(**_: object) -> None:
    """An idle child of a Django site has had its connection."""
    with connection.cursor() as cursor:
        cursor.execute("select 1")
