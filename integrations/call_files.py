"""Hands out the files of calls: pictures to be looked at, all else to be saved; nothing of them runs in a browser."""

from django.http import HttpResponse

from integrations.models import CallFile


def as_answer(file: CallFile) -> HttpResponse:
    """This will answer with a file, by its media type where that is a picture's."""
    kind = file.media_type if file.is_picture else "application/octet-stream"
    answer = HttpResponse(bytes(file.content), content_type=kind)
    answer["Content-Disposition"] = "inline" if file.is_picture else f'attachment; filename="{file.digest[:16]}"'
    answer["Content-Security-Policy"] = "default-src 'none'"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, max-age=86400, immutable"
    return answer
