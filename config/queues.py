"""A step in the start of a worker: the queues exist before it reads them; it deletes and changes none."""

from celery.bootsteps import StartStopStep
from celery.worker.consumer import Consumer


class DeclareQueues(StartStopStep):
    """Declares every queue at each connection: a broker that lost its data gets them back, `dead` too."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Consumer) -> None:
        """This will declare exchanges, queues and bindings; what exists already stays as it is."""
        assert parent.connection is not None  # the step Tasks, which we require, uses it too
        with parent.connection.channel() as channel:
            for queue in parent.app.amqp.queues.values():
                queue(channel).declare()
