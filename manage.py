#!/usr/bin/env python
"""The command line of operators and developers; it only hands over to Django."""

import os
import sys

from django.core.management import execute_from_command_line

from config import process


def main() -> None:
    """This will run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:3] == ["automation", "scheduler"]:
        process.only_works()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
