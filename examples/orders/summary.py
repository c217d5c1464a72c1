"""Shows the course and the outcome of the demo on a terminal or in a log; it computes nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.orders.agreement import Reconciled
from examples.orders.campaign import Counts, Result
from examples.orders.proof import Figure
from examples.orders.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that the summary tells. The reports are the outside systems' own, see `service`."""

    result: Result
    trail: Trail
    figures: Sequence[Figure]
    reconciled: Reconciled
    gateway_report: Mapping[str, Any]  # JSON, as the service describes it
    crm_report: Mapping[str, Any]  # likewise
    directory: str

    @property
    def wrong(self) -> list[Figure]:
        """This will select the figures that are not what they must be."""
        return [figure for figure in self.figures if not figure.is_right]


class Screen:
    """A progress bar on a terminal; elsewhere a line for each tenth of the way."""

    def __init__(self, *, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._told_tenths = 0
        self._progress = Progress(
            TextColumn("runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>6.0f} steps/s"),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("runs", total=total, rate=0.0, state="starting")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, counts: Counts, elapsed_s: float) -> None:
        """This will bring the bar up to date."""
        rate = counts.steps / elapsed_s if elapsed_s else 0.0
        state = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.runs.items()))
        self._progress.update(self._task, completed=counts.ended, rate=rate, state=state)
        tenths = counts.ended * 10 // self._total
        if not self._console.is_terminal and tenths > self._told_tenths:
            self._told_tenths = tenths
            self.say(f"{counts.ended:,}/{self._total:,} runs, {rate:,.0f} steps/s: {state}")

    def say(self, text: str) -> None:
        """This will print a line above the bar."""
        self._progress.console.print(text, highlight=False)


def present(account: Account, *, console: Console) -> None:
    """This will print the figures that were proven, how it went, and where to look next."""
    console.print()
    console.print(_proof(account.figures))
    console.print()
    console.print(_course(account))
    console.print()
    console.print(f"Ledgers of this demo: {account.directory}", highlight=False, soft_wrap=True)
    console.print(
        "Next: make up (the platform with its admin), docs/tour.md (how it works), "
        "examples/orders/order.yaml (the workflow), examples/orders/jobs/crm.yaml (a reconciliation)",
        highlight=False,
        soft_wrap=True,
    )
    if account.wrong:
        console.print(f"\n[bold red]{len(account.wrong)} figures are wrong:[/]")
        for figure in account.wrong:
            console.print(f"  {figure}", highlight=False, markup=False, soft_wrap=True)
    else:
        console.print("\n[bold green]Nothing was lost and nothing was done twice.[/]")


def _proof(figures: Sequence[Figure]) -> Table:
    table = Table(title="Proven from the ledgers and the audit trail", title_justify="left")
    table.add_column("figure")
    table.add_column("must be", justify="right")
    table.add_column("is", justify="right")
    table.add_column("")
    for figure in figures:
        verdict = "[green]right[/]" if figure.is_right else "[bold red]WRONG[/]"
        table.add_row(figure.name, figure.expected, figure.found, verdict)
    return table


def _course(account: Account) -> Table:
    table = Table(title="How it went", title_justify="left", show_header=False)
    table.add_column()
    table.add_column()
    for name, value in course_lines(account):
        table.add_row(name, value)
    return table


def course_lines(account: Account) -> list[tuple[str, str]]:
    """This will put the course of the demo into words, line by line."""
    result, trail, gateway = account.result, account.trail, account.gateway_report
    killed = result.worker_killed_at
    avoided = f"{gateway['doubles_avoided']:,} ({gateway['doubles_avoided_total']} USD)"
    return [
        ("runs", _listed(result.counts.runs)),
        ("steps", f"{result.counts.steps:,}, {result.steps_per_s:,.0f} a second"),
        ("time", f"{result.elapsed_s:.1f} s from the first start to the last end"),
        ("worker killed", "never" if killed is None else f"with SIGKILL, after {killed:,} runs"),
        ("retries by cause", _listed(trail.retries)),
        ("steps recovered after the kill", f"{trail.recovered:,}"),
        ("gateway's faults", _listed(gateway["faults"])),
        ("CRM's faults", _listed(account.crm_report["faults"])),
        ("double charges avoided by keys", avoided),
        ("double entries avoided in the CRM", f"{account.crm_report['doubles_avoided']:,}"),
        ("reconciliation", str(account.reconciled)),
        ("audit", f"{trail.events:,} events, {trail.events - trail.changed:,} digests right"),
    ]


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items())) or "none"
