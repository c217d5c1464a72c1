"""`make demo`: real orders, a real engine, failures on the way, and the proof; it deletes nothing it made.

python -m examples.orders.demo [--orders N] [--seed S] [--workers 2] [--concurrency 2] [--var DIRECTORY]

Exit code 0: every figure is right. 1: one is not, or it did not come that far. 130: interrupted.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import django
from django.utils.module_loading import import_string
from rich.console import Console

from config.platform import ROOT, Platform
from config.servers.errors import ServersError
from examples.orders import agreement, campaign, outside, planted, proof, summary, trail
from examples.orders.agreement import Reconciled, Reconciling
from examples.orders.campaign import Engine, Stalled, Surroundings
from examples.orders.orders import Order, read_orders
from examples.orders.outside import DidNotStart, OutsideSystem
from examples.orders.proof import Figure
from examples.orders.summary import Account, Screen

STEPS_PER_RUN = 3
INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """This will run the demo, print its summary and return the exit code."""
    options = _parse(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    try:
        account = _run(options, console=console)
    except KeyboardInterrupt:
        console.print("Interrupted: everything has been ended, nothing was proven.")
        return INTERRUPTED
    except (ServersError, DidNotStart, Stalled, subprocess.CalledProcessError) as error:
        told = f"The demo failed: {error}\nThe log files are in {options.var / 'logs'}."
        console.print(told, markup=False, highlight=False, soft_wrap=True)
        return 1
    summary.present(account, console=console)
    return 1 if account.wrong else 0


def _run(options: argparse.Namespace, *, console: Console) -> Account:
    """This will start everything, carry out the campaign, gather the proof and end everything."""
    name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    directory: Path = options.var.resolve() / "demo" / name
    directory.mkdir(parents=True)
    orders = read_orders(limit=options.orders)
    console.print("Starting PostgreSQL, Valkey, web, scheduler, workers, gateway and CRM ...", soft_wrap=True)
    # Every worker reads every lane, so that whichever is killed held orders.
    platform = Platform(var_dir=options.var, workers=options.workers, concurrency=options.concurrency, io_workers=0)
    with (
        outside.running(name="gateway", directory=directory, seed=options.seed) as gateway,
        outside.running(name="crm", directory=directory, seed=options.seed) as crm,
        platform,
        closing(_connected(platform, name=name, directory=directory, gateway=gateway, crm=crm)) as engine,
    ):
        console.print(f"Admin and API: {platform.url} (logs: {options.var}/logs)", highlight=False, soft_wrap=True)
        with Screen(console=console, total=len(orders)) as screen:
            around = _surroundings(platform=platform, screen=screen)
            result = campaign.carry_out(orders=orders, engine=engine, around=around)
        read = trail.read(engine.trail())
        figures = _ledger_figures(orders, gateway=gateway, crm=crm)
        reports = {"gateway_report": gateway.report(), "crm_report": crm.report()}
        console.print("Planting faults in the ledgers, and reconciling orders, gateway and CRM ...", soft_wrap=True)
        told, agreed = _reconciled(orders, directory=directory, gateway=gateway, crm=crm)
        return Account(
            result=result,
            trail=read,
            figures=[*figures, *read.figures(runs=len(orders), steps=STEPS_PER_RUN * len(orders)), *agreed],
            reconciled=told,
            **reports,
            directory=str(directory),
        )


def _reconciled(
    orders: Sequence[Order], *, directory: Path, gateway: OutsideSystem, crm: OutsideSystem
) -> tuple[Reconciled, list[Figure]]:
    """This will plant faults, have them found and repaired, and say whether all of that is right."""
    agreement.write_orders(orders, directory=directory)
    reconciliation: Reconciling = import_string("examples.orders.reconciling.Reconciliation")()
    before = reconciliation.settle()
    faults = planted.plant(orders=orders, gateway=gateway.ledger_path, crm=crm.ledger_path)
    told = reconciliation.reconcile()
    wrong = [figure for figure in _ledger_figures(orders, gateway=gateway, crm=crm) if not figure.is_right]
    return told, agreement.figures(told, before=before, planted=faults, still_wrong=wrong)


def _connected(platform: Platform, *, name: str, directory: Path, gateway: OutsideSystem, crm: OutsideSystem) -> Engine:
    """This will give the engine; what imports its models can be loaded only now that Django is set up."""
    os.environ.update({"LOG_LEVEL": "WARNING", **platform.environment, "RECONCILIATION_FILES": str(directory)})
    django.setup()
    engine: Engine = import_string("examples.orders.engine.DjangoEngine")(
        campaign=name,
        base_urls={"example-payments": gateway.base_url, "example-crm": crm.base_url},
    )
    return engine


def _surroundings(*, platform: Platform, screen: Screen) -> Surroundings:
    def kill_worker() -> None:
        process_id = platform.kill_worker(0)
        screen.say(f"Killed a worker (process {process_id}) with SIGKILL; its work goes to others.")

    return Surroundings(clock=time.monotonic, pause=time.sleep, kill_worker=kill_worker, show=screen.show)


def _ledger_figures(orders: Sequence[Order], *, gateway: OutsideSystem, crm: OutsideSystem) -> list[Figure]:
    """This will compare each ledger with the orders, one by one."""
    return [
        *proof.prove(kind="charges", ledger_path=gateway.ledger_path, orders=orders),
        *proof.prove(kind="bookings", ledger_path=crm.ledger_path, orders=orders),
        *proof.prove(kind="receipts", ledger_path=crm.ledger_path, orders=orders),
    ]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.orders.demo", description=__doc__)
    parser.add_argument("--orders", type=int, default=None, help="how many orders; all of them by default")
    parser.add_argument("--seed", type=int, default=1, help="which requests the outside systems spoil")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--concurrency", type=int, default=2, help="children of each worker")
    parser.add_argument("--var", type=Path, default=ROOT / "var", help="folder of all data")
    options = parser.parse_args(argv)
    if options.orders is not None and options.orders < 1:
        parser.error("--orders must be 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
