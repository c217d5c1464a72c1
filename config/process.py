"""Whether this process serves people or only works; it is known to this process alone, never to its children.

A program says it before the settings are read. A process that only works does not load the admin, the API and what
they need, which saves ten megabytes and more. Its forks inherit that, other programs it starts do not. In it,
templates of the admin are not found and paths of the admin cannot be looked up: what links there is made where people
are served.
"""

_serves_people = [True]


def only_works() -> None:
    """This will leave out what only serves people; it must come before the settings are read."""
    _serves_people[0] = False


def serves_people() -> bool:
    """This will tell whether the admin and the API belong into this process."""
    return _serves_people[0]
