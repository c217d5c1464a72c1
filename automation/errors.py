"""What this app can refuse.

AutomationError
├── TokenInvalid     a token cannot be created like that
└── UnknownToken     no token of that name is in force
"""


class AutomationError(Exception):
    """Anything this app refuses on purpose."""


class TokenInvalid(AutomationError):
    """A token cannot be created like that; `field` says which part is wrong."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownToken(AutomationError):
    """No token of that name is in force."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no token named {name!r} is in force: it was never created, or it is revoked")
        self.name = name
