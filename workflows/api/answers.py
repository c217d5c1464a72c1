"""What the API documentation says about answers that many views share."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from workflows.api.serializers import ProblemSerializer

_TEXTS = {
    400: "The request is not well-formed.",
    404: "There is no such thing.",
    409: "Its state does not allow that.",
    422: "The request is well-formed and wrong.",
    429: "Its key has had as many starts as its rate limit allows: see Retry-After.",
}


def problems(*codes: int) -> Mapping[Any, Any]:  # Any: drf-spectacular's keys and values have many types
    """This will document the problems a view may answer with; 401, 403 and 503 go without saying."""
    return {
        (code, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=_TEXTS[code])
        for code in codes
    }


def header(name: str, text: str) -> OpenApiParameter:
    """This will document a header of the request."""
    return OpenApiParameter(name=name, type=str, location=OpenApiParameter.HEADER, description=text)


def answer_header(name: str, text: str) -> OpenApiParameter:
    """This will document a header of the answer."""
    return OpenApiParameter(
        name=name, type=str, location=OpenApiParameter.HEADER, description=text, response=[200, 201]
    )
