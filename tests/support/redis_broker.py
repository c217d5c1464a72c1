"""The platform's queues on Redis, as the embedded platform has them, beside RabbitMQ in the same tests."""

import os
from dataclasses import replace
from urllib.parse import urlsplit

from celery import Celery

from config import broker, env

_DATABASE = "/9"


def url() -> str:
    """This will be a database of the private Redis that nothing else uses."""
    return urlsplit(os.environ["REDIS_URL"])._replace(path=_DATABASE).geturl()


def make_app(**settings: object) -> Celery:
    """This will be an application whose broker is Redis, with some settings of the environment changed."""
    environment = replace(env.read(), broker_url=url(), **settings)  # type: ignore[arg-type]  # whatever is asked for
    app = Celery("on-redis", set_as_current=False)
    app.conf.update(broker.broker_settings(environment))
    app.amqp.Connection = broker.PromptConnection
    with app.connection_for_write() as connection, connection.channel() as channel:
        for queue in app.amqp.queues.values():
            queue(channel).declare()
    return app
