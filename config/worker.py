"""The program of a worker: takes the options of `celery worker`, and loads neither Celery's shell nor our admin.

    python -m config.worker -Q critical,default,bulk,io -c 4

`celery -A config worker` does the same work in more memory.
"""

import sys

import celery
from celery.bin.base import CLIContext
from celery.bin.worker import worker

from config import process

# Both come before the application is made, and outside of `main`, so that a spawned child does them too.
celery.maybe_patch_concurrency()
process.only_works()

from config.celery import app  # noqa: E402


def main() -> None:
    """This will run a worker until it is told to end, and exit with its code."""
    args = sys.argv[1:]
    sys.argv[:] = ["-m", "config.worker", *args]  # SIGHUP has Celery execute Python again with what stands here
    worker.main(args=args, prog_name="python -m config.worker", obj=CLIContext(app=app, no_color=True, workdir=None))


if __name__ == "__main__":
    main()
