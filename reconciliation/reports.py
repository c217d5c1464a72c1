"""Reports of comparisons: a page that stands alone, with the trend, and the variances as CSV; it changes nothing."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.template.loader import render_to_string

from reconciliation import queries
from reconciliation.jobs.spec import JobSpec
from reconciliation.models import Comparison, Job, Variance

LISTED = 200
_AT_ONCE = 500
_COLUMNS = (
    "id", "key", "kind", "fields", "state", "amount", "left", "right", "first_seen_at", "last_seen_at", "owner", "note",
)  # fmt: skip
_FEWEST_BARS = 12
"""Fewer comparisons are drawn as narrow as so many."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A variance with its sides in the order of its job, and who touched its record."""

    variance: Variance
    behind: queries.Behind
    left: Sequence[tuple[str, object]]
    right: Sequence[tuple[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One comparison of the trend: its place in percent, its heights in pixels from the top, and what it says."""

    x: str
    width: str
    y: int
    height: int
    repaired_y: int
    repaired_height: int
    title: str
    comparison: int


def html(row: Comparison) -> str:
    """This will give the report of a comparison as one page without anything from elsewhere."""
    return render_to_string("reconciliation/report.html", context(row))


def context(row: Comparison) -> dict[str, object]:
    """This will give what a report shows."""
    spec = queries.spec_of(row.version)
    found = found_by(row)
    shown = list(found[:LISTED])
    behind = queries.behind(shown)
    return {
        "comparison": row,
        "spec": spec,
        "kinds": [(kind, row.by_kind[kind]) for kind in sorted(row.by_kind)],
        "rules": [(name, numbers) for name, numbers in row.plan.get("rules", {}).items()],
        "variances": [_line(one, names=names_of(spec), behind=behind[one.pk]) for one in shown],
        "left_out": max(0, found.count() - LISTED),
        "bars": bars(queries.trend(row.job, before=row)),
        "agreed_share": _share(row),
    }


def names_of(spec: JobSpec) -> list[str]:
    """This will give the names under which a job keeps evidence, in its own order."""
    fields = [name for one in spec.fields for name in (one.name, f"{one.name}_currency")]
    return [*spec.key_names, *fields, *spec.left.show]


def ordered(side: Mapping[str, object] | None, *, names: Sequence[str]) -> list[tuple[str, object]]:
    """This will give what is kept of a side in the order of its job."""
    kept = side or {}
    return [(name, kept[name]) for name in dict.fromkeys([*names, *kept]) if name in kept]


def found_by(row: Comparison) -> "QuerySet[Variance]":
    """This will select what a comparison found, whatever has become of it since; by key."""
    found = queries.variances(job=row.job).filter(first_comparison__lte=row.pk, last_comparison__gte=row.pk)
    return found.order_by("key", "kind", "id")


def bars(trend: Sequence[Comparison], *, height: int = 60) -> list[Bar]:
    """This will draw what stood open after each comparison, and what each confirmed as repaired."""
    most = max((max(one.standing, one.confirmed) for one in trend), default=0) or 1
    width = 100 / max(len(trend), _FEWEST_BARS)
    made: list[Bar] = []
    for place, one in enumerate(trend):
        tall = round(one.standing / most * height)
        repaired = round(one.confirmed / most * height)
        title = f"{one.started_at:%Y-%m-%d %H:%M}: {one.standing} open, {one.confirmed} confirmed as repaired"
        made.append(
            Bar(
                x=f"{place * width:.2f}%",
                width=f"{width * 0.4:.2f}%",
                y=height - tall,
                height=tall,
                repaired_y=height - repaired,
                repaired_height=repaired,
                title=title,
                comparison=one.pk,
            )
        )
    return made


def summary(row: Comparison) -> list[str]:
    """This will tell a comparison in a few lines."""
    kind = "dry run" if row.is_dry_run else "comparison"
    kinds = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(row.by_kind.items())) or "none"
    rules = (
        f"rule {name}: {', '.join(f'{number} {state}' for state, number in numbers.items()) or 'nothing to do'}"
        for name, numbers in row.plan.get("rules", {}).items()
    )
    return [
        f"{row.job.name}: {kind} {row.pk}, {row.left_rows:,} rows left, {row.right_rows:,} right, {row.equal:,} equal",
        f"variances: {kinds}",
        ", ".join(
            (
                f"{row.opened} new",
                f"{row.reopened} opened again",
                f"{row.confirmed} repairs confirmed",
                f"{row.vanished} vanished",
                f"{row.pending} pending",
                f"{row.standing} stand open",
            )
        ),
        *rules,
    ]


def job_cells(job: Job) -> tuple[str, ...]:
    """This will give a job as a line of a table: name, version, enabled, latest comparison, variances, standing."""
    latest = queries.comparisons(job=job).filter(is_dry_run=False).first()
    told = ("never", "", "")
    if latest is not None:
        told = (f"{latest.started_at:%Y-%m-%d %H:%M:%S} {latest.state}", str(latest.found), str(latest.standing))
    return job.name, str(job.latest_number), "yes" if job.is_enabled else "no", *told


def variance_cells(row: Variance) -> tuple[str, ...]:
    """This will give a variance as a line of a table: id, job, key, what, amount, since, state, owner."""
    what = f"{row.kind.replace('_', ' ')} {', '.join(row.fields)}".strip()
    amount = "" if row.amount is None else f"{row.amount.normalize():f}"
    since = f"{row.first_seen_at:%Y-%m-%d %H:%M}"
    return str(row.pk), row.job.name, row.shown_key, what, amount, since, row.state, row.owner


def csv_answer(row: Comparison) -> StreamingHttpResponse:
    """This will stream the variances of a comparison as CSV, one in memory at a time."""
    answer = StreamingHttpResponse(csv_lines(row), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{row.job.name}-{row.pk}.csv"'
    return answer


def csv_lines(row: Comparison) -> Iterator[str]:
    """This will give the lines of the CSV, the names of the columns first."""
    writer = csv.writer(_Echo())
    yield writer.writerow([*_COLUMNS, "trace", "run", "calls"])
    rows = found_by(row).iterator(_AT_ONCE)
    while chunk := list(islice(rows, _AT_ONCE)):
        behind = queries.behind(chunk)
        for one in chunk:
            who = behind[one.pk]
            led = [one.trace, "" if who.run is None else str(who.run), " ".join(str(call.key) for call in who.calls)]
            yield writer.writerow([_cell(value) for value in (*(getattr(one, name) for name in _COLUMNS), *led)])


def _cell(value: object) -> str:
    """Spreadsheets take what begins like a formula for one."""
    if value is None:
        return ""
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    else:
        text = orjson.dumps(value).decode() if isinstance(value, dict) else str(value).replace("\x1f", " · ")
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        """This will give the line."""
        return text


def _line(one: Variance, *, names: Sequence[str], behind: queries.Behind) -> Line:
    return Line(variance=one, behind=behind, left=ordered(one.left, names=names), right=ordered(one.right, names=names))


def _share(row: Comparison) -> str:
    rows = max(row.left_rows, row.right_rows)
    return "" if not rows else f"{row.equal / rows:.4%}"
