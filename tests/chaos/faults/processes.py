"""Faults of the platform's own processes: killed, told to end, frozen; another one takes the place of what ended."""

import signal
from functools import partial
from random import Random

from tests.chaos.faults.fault import Fault, Mend, Strike, fault, nothing
from tests.chaos.stage import Stage, end_gently, send

_PAUSE_S = (0.3, 3.0)
"""A seeded pause before what was killed is started again."""
_FREEZE_S = (0.5, 6.0)
"""Shorter and longer than a lease."""
_NAMES = {"io": "I/O worker"}


def _kill(role: str) -> Strike:
    def strike(stage: Stage, dice: Random) -> Mend:
        post = stage.post(role, dice=dice)
        with post.lock:
            post.is_struck = True
            post.process.kill()
        return post.refill

    return strike


def _kill_parent(stage: Stage, dice: Random) -> Mend:
    post = stage.post("worker", dice=dice)
    with post.lock:
        post.is_struck = True
        post.process.kill_parent()
    return post.refill


def _kill_all_workers(stage: Stage, _dice: Random) -> Mend:
    posts = [post for name, post in stage.posts.items() if name.startswith("worker")]
    for post in posts:
        with post.lock:
            post.is_struck = True
            post.process.kill()

    def mend() -> None:
        for post in posts:
            post.refill()

    return mend


def _kill_child(stage: Stage, dice: Random) -> Mend:
    children = stage.post("worker", dice=dice).process.descendants
    if children:
        send(signal.SIGKILL, dice.choice(children))
    return nothing


def _terminate(role: str) -> Strike:
    def strike(stage: Stage, dice: Random) -> Mend:
        post = stage.post(role, dice=dice)
        with post.lock:
            post.is_struck = True
            post.process.terminate()
        return partial(end_gently, post)

    return strike


def _freeze(role: str) -> Strike:
    def strike(stage: Stage, dice: Random) -> Mend:
        process = stage.post(role, dice=dice).process
        process.pause()
        return process.resume

    return strike


def _freeze_one(is_parent: bool) -> Strike:
    def strike(stage: Stage, dice: Random) -> Mend:
        process = stage.post("worker", dice=dice).process
        pids = [process.pid] if is_parent else process.descendants
        if not pids:
            return nothing
        pid = dice.choice(pids)
        send(signal.SIGSTOP, pid)
        return partial(send, signal.SIGCONT, pid)

    return strike


def _faults(role: str) -> tuple[Fault, ...]:
    name = _NAMES.get(role, role)
    return (
        fault(f"{name} killed", target=role, lasts_s=_PAUSE_S, strike=_kill(role)),
        fault(f"{name} terminated", target=role, lasts_s=(0.1, 0.5), strike=_terminate(role)),
        fault(f"{name} frozen", target=role, lasts_s=_FREEZE_S, strike=_freeze(role)),
    )


FAULTS: tuple[Fault, ...] = (
    fault("worker killed", target="worker", lasts_s=_PAUSE_S, strike=_kill("worker")),
    fault("worker parent killed", target="worker", lasts_s=_PAUSE_S, strike=_kill_parent),
    fault("worker child killed", target="worker", lasts_s=(0.0, 0.1), strike=_kill_child),
    fault("all workers killed", target="worker", lasts_s=_PAUSE_S, strike=_kill_all_workers),
    fault("worker terminated", target="worker", lasts_s=(0.1, 0.5), strike=_terminate("worker")),
    fault("worker frozen", target="worker", lasts_s=_FREEZE_S, strike=_freeze("worker")),
    fault("worker parent frozen", target="worker", lasts_s=_FREEZE_S, strike=_freeze_one(is_parent=True)),
    fault("worker child frozen", target="worker", lasts_s=_FREEZE_S, strike=_freeze_one(is_parent=False)),
    *(found for role in ("scheduler", "web", "io", "intake", "receiver") for found in _faults(role)),
)
