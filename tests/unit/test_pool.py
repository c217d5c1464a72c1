"""The order in which a worker starts what it has reserved."""

from dataclasses import dataclass

import pytest

from config.pool import TurnBuffer


@dataclass(frozen=True)
class Job:
    """A job of the pool, as far as the buffer looks at it."""

    lane: str
    number: int = 0


def buffer() -> TurnBuffer:
    """This will be an empty buffer for three lanes."""
    return TurnBuffer({"critical": 8, "default": 4, "bulk": 1}, lane_of=lambda job: job.lane)


def test_urgent_job_goes_first_whenever_it_came() -> None:
    waiting = buffer()
    for job in (Job("bulk", 1), Job("bulk", 2), Job("default"), Job("critical")):
        waiting.append(job)

    order = [waiting.popleft() for _ in range(4)]

    assert order == [Job("critical"), Job("default"), Job("bulk", 1), Job("bulk", 2)]


def test_job_that_comes_back_is_the_first_of_its_lane() -> None:
    waiting = buffer()
    waiting.append(Job("bulk", 1))
    waiting.append(Job("bulk", 2))
    taken = waiting.popleft()

    waiting.appendleft(taken)

    assert [waiting.popleft(), waiting.popleft()] == [Job("bulk", 1), Job("bulk", 2)]


def test_jobs_of_the_pool_itself_go_before_all_lanes() -> None:
    waiting = buffer()
    waiting.append(Job("critical"))
    waiting.append(Job(""))

    assert waiting.popleft() == Job("")


def test_buffer_behaves_like_the_deque_it_stands_for() -> None:
    waiting = buffer()
    assert not waiting
    with pytest.raises(IndexError):
        waiting.popleft()

    waiting.append(Job("bulk"))
    assert (len(waiting), Job("bulk") in waiting, Job("critical") in waiting) == (1, True, False)

    waiting.clear()
    assert not waiting
