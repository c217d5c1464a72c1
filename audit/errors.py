"""What can go wrong when the trail is written.

AuditError
├── OutsideTransaction    an event was recorded with no transaction open
└── UnencodableEvent      an event has no canonical form
"""


class AuditError(Exception):
    """Anything this app raises on purpose."""


class OutsideTransaction(AuditError):
    """An event was recorded with no transaction open: it could exist without its change."""


class UnencodableEvent(AuditError, ValueError):
    """An event cannot be written down so that everybody computes the same digest from it."""
