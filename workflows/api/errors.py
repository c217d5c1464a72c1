"""What a request to the API can get wrong before the engine is asked.

APIException (Django REST framework)
├── IdempotencyKeyMissing      400  this site demands a key with every start
├── IdempotencyKeyInvalid      400  the header is not a structured-field string
├── CorrelationIdInvalid       400  the header cannot be stored and logged as it is
├── BodyInvalid                400  the body is not what can be stored as JSON
└── StartUnderWay              409  the same key is being answered at this moment
"""

from rest_framework import status
from rest_framework.exceptions import APIException


class IdempotencyKeyMissing(APIException):
    """This site demands a key with every start."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency-key-missing"
    default_detail = 'send the header Idempotency-Key with a unique string, for example "8e03978e-40d5-43dd"'


class IdempotencyKeyInvalid(APIException):
    """The header is not a structured-field string."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency-key-invalid"
    default_detail = (
        "Idempotency-Key must be a string of 1 to 180 printable ASCII characters, in double quotes "
        '(RFC 9651), for example "8e03978e-40d5-43dd"'
    )


class CorrelationIdInvalid(APIException):
    """The header cannot be stored and logged as it is."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "correlation-id-invalid"
    default_detail = "X-Correlation-ID must be 1 to 200 printable ASCII characters without spaces"


class BodyInvalid(APIException):
    """The body is not what can be stored as JSON."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "body-invalid"
    default_detail = "the body must be a JSON document"


class StartUnderWay(APIException):
    """The same key is being answered at this moment."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "start-under-way"
    default_detail = "a request with the same Idempotency-Key is being answered at this moment: ask again"
