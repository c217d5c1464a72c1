"""Users and groups with names of their own, for tests in which people answer."""

from uuid import uuid4

from django.contrib.auth.models import Group, User

from workflows import human_rights
from workflows.human_rights import Person


def user(*groups: str, is_staff: bool = False, email: str = "") -> User:
    """This will be a new user in these groups."""
    person = User.objects.create_user(f"user-{uuid4().hex[:10]}", email=email, is_staff=is_staff)
    person.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])
    return person


def person(*groups: str) -> Person:
    """This will be a new user as a person who is asked."""
    return human_rights.person_of(user(*groups))


def group() -> str:
    """This will be the name of a new group."""
    name = f"group-{uuid4().hex[:10]}"
    Group.objects.create(name=name)
    return name
