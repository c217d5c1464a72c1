"""Outbound calls on both their ways, blocking and on an event loop, so that one test holds for both."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

from integrations import http, http_async, operations
from integrations.adapters import http_request


class Way:
    """How the calls of a test are made. On an event loop, all of a test share one, and its connections."""

    def __init__(self) -> None:
        self.runner: asyncio.Runner | None = None

    def begin(self, *, is_async: bool) -> None:
        """This will choose the way of the calls that follow."""
        if is_async:
            self.runner = asyncio.Runner()
            self.runner.get_loop().set_default_executor(ThreadPoolExecutor(1))

    def end(self) -> None:
        """This will close all connections."""
        http.close_connections()
        if self.runner is not None:
            self.runner.run(http_async.close_connections())
            self.runner.run(asyncio.to_thread(lambda: connection.close()))
            self.runner.close()
            self.runner = None


way = Way()


def request(**arguments: Any) -> object:  # Any: the arguments of the adapter
    """This will call the adapter `http.request`."""
    if way.runner is None:
        return http_request.call(**arguments)
    return way.runner.run(http_request.acall(**arguments))


def operation(**arguments: Any) -> object:  # Any: the arguments of the operation
    """This will make one attempt as the engine does."""
    if way.runner is None:
        return operations.call(**arguments)
    return way.runner.run(operations.acall(**arguments))
