"""What is wrong with a document, or with a call by it."""


class DoesNotFit(Exception):
    """A document cannot be used, or a call is not what it describes; the message says where and what would be right."""
