# One image for every process of the platform: web, intake, receiver, worker, scheduler.

FROM python:3.13-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /app
COPY pyproject.toml uv.lock ./
# What connections need besides, such as EXTRAS="--extra adapters --extra vault --extra aws"
ARG EXTRAS=""
RUN uv sync --frozen --no-dev ${EXTRAS}
COPY manage.py ./
COPY config config
COPY audit audit
COPY retention retention
COPY integrations integrations
COPY workflows workflows
COPY automation automation
COPY reconciliation reconciliation
ENV STATIC_MANIFEST=true
RUN DJANGO_SETTINGS_MODULE=config.static_analysis .venv/bin/python manage.py collectstatic --noinput

FROM python:3.13-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATIC_MANIFEST=true
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin automation
WORKDIR /app
COPY --from=build /app /app
USER 10001
EXPOSE 8000 8001
# It answers at once with 503 when its threads are busy and its backlog is full: the balancer goes elsewhere.
CMD ["python", "-m", "config.web", "--host", "0.0.0.0", "--port", "8000", "--drain", "10"]
