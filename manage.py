#!/usr/bin/env python
"""The command line of operators and developers; it only hands over to Django."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """This will run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
