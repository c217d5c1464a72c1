"""Turns due activations into Celery's primitives: signature, chain, chord. The only place that builds canvas.

A canvas carries wake-ups, never data and never decisions: it may be lost, late or doubled without harm.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from celery import Signature, chain, chord, group, signature

from workflows.core.shape import Shape, shapes
from workflows.plans import Program
from workflows.store import ActivationRef, Due

TASK = "workflows.wake"
BATCH_MAX = 32
_BATCH_SHARE = 2

Ref: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A canvas ready to be sent, and the activations it wakes first.

    `apart` are the same wake-ups as single messages, for when the canvas cannot be sent; none for what is one.
    """

    canvas: Signature[None]
    refs: tuple[ActivationRef, ...]
    lane: str
    apart: tuple["Parcel", ...] = ()


def parcels(dues: Sequence[Due], *, programs: Mapping[int, Program]) -> Iterator[Parcel]:
    """This will pack due activations: short single segments of one lane share messages, the rest gets its shape."""
    plain: dict[str, list[Due]] = defaultdict(list)
    for run_dues in _by_run(dues).values():
        program = _latest(run_dues, programs=programs)
        for shape in shapes(program.plan, frontier=[due.segment for due in run_dues]):
            if len(run_dues) == 1 and shape.branches == ((run_dues[0].segment,),) and shape.join is None:
                plain[run_dues[0].lane].append(run_dues[0])
            else:
                yield _shaped(shape, dues=run_dues, program=program)
    for lane, lane_dues in plain.items():
        yield from _plain(lane_dues, lane=lane, programs=programs)


def _latest(dues: Sequence[Due], *, programs: Mapping[int, Program]) -> Program:
    """A run that has grown may have activations from before: its latest plan has all their segments."""
    return max((programs[due.version_id] for due in dues), key=lambda program: len(program.plan.segments))


def _by_run(dues: Iterable[Due]) -> Mapping[UUID, list[Due]]:
    runs: dict[UUID, list[Due]] = defaultdict(list)
    for due in dues:
        runs[due.run_id].append(due)
    return runs


def _plain(dues: Sequence[Due], *, lane: str, programs: Mapping[int, Program]) -> Iterator[Parcel]:
    size = max(1, min(BATCH_MAX, len(dues) // _BATCH_SHARE))
    batch: list[Due] = []
    for due in dues:
        if due.was_lost or programs[due.version_id].goes_alone(due.segment):
            yield _parcel([due], lane=lane)
            continue
        batch.append(due)
        if len(batch) >= size:
            yield _parcel(batch, lane=lane)
            batch = []
    if batch:
        yield _parcel(batch, lane=lane)


def _parcel(dues: Sequence[Due], *, lane: str) -> Parcel:
    refs = tuple(due.ref for due in dues)
    return Parcel(canvas=wake([_wire(ref) for ref in refs], lane=lane), refs=refs, lane=lane)


def _shaped(shape: Shape, *, dues: Sequence[Due], program: Program) -> Parcel:
    """One chord, group, chain or signature for branches of one run; a `for_each` has one for each puller."""
    chains = {branch[0]: branch for branch in shape.branches}
    heads = [due for due in dues if due.segment in chains]
    carries = () if shape.join is None else (shape.join,)
    header = [_branch(due, segments=chains[due.segment], carries=carries, program=program) for due in heads]
    apart = tuple(_parcel([due], lane=due.lane) for due in heads)
    canvas: Signature[None]
    if shape.join is not None:
        body = _wake_segment(heads[0].run_id, segment=shape.join, carries=(), program=program)
        canvas = chain(header[0], body) if len(header) == 1 else chord(header, body)
    else:
        canvas = header[0] if len(header) == 1 else group(header)
    if canvas.task == TASK:
        return apart[0]
    return Parcel(canvas=canvas, refs=tuple(due.ref for due in heads), lane=heads[0].lane, apart=apart)


def _branch(due: Due, *, segments: Sequence[int], carries: Sequence[int], program: Program) -> Signature[None]:
    """One branch: the due activation, then the segments that follow it on other lanes."""
    behind = [*segments[1:], *carries]
    first = wake([_wire(due.ref)], lane=due.lane, carries=behind)
    rest = [
        _wake_segment(due.run_id, segment=segment, carries=behind[position + 1 :], program=program)
        for position, segment in enumerate(segments[1:])
    ]
    return chain(first, *rest) if rest else first


def _wake_segment(run_id: UUID, *, segment: int, carries: Sequence[int], program: Program) -> Signature[None]:
    lane = program.plan.segments[segment].lane
    return wake([(str(run_id), segment, 0)], lane=lane, carries=carries)


def wake(refs: Sequence[Ref], *, lane: str, carries: Sequence[int] = ()) -> Signature[None]:
    """This will make the message that wakes a worker: which runs and segments, nothing else."""
    kwargs: dict[str, object] = {"refs": [list(ref) for ref in refs]}
    if carries:
        kwargs["carries"] = list(carries)
    # The task's own setting is not enough: a sender that might want a result subscribes in Redis, which may be away.
    return signature(TASK, kwargs=kwargs, immutable=True, options={"queue": lane, "ignore_result": True})


def _wire(ref: ActivationRef) -> Ref:
    return str(ref.run_id), ref.segment, ref.slot
