"""What this app can refuse.

ReconciliationError
├── JobInvalid            a job cannot be like that; every problem with its path
├── UnknownJob            there is no job of that name
├── JobDisabled           the job is switched off
├── ComparisonUnderWay    the job is being compared already: one at a time
├── ComparisonLost        another worker has taken the comparison over
├── UnknownComparison     there is no such comparison
├── SourceFailed          a side cannot be read, or not as the job says
├── TooManyVariances      so much differs that the job itself must be wrong
├── UnknownVariance       there is no such variance
├── AnswerRefused         a person cannot make that of the variance
├── UnknownRule           the job has no rule of that name
└── RuleNotShown          the rule has not been shown by a comparison yet
"""

from collections.abc import Sequence

from workflows.core.problems import Problem
from workflows.errors import WorkflowError


class ReconciliationError(WorkflowError):
    """Anything this app refuses on purpose."""


class JobInvalid(ReconciliationError):
    """A job cannot be like that; `problems` holds everything that is wrong with it."""

    refusal = (422, "job-invalid")

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownJob(ReconciliationError):
    """There is no job of that name."""

    refusal = (404, "job-unknown")

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no reconciliation job {name!r}: publish one, or correct the name")
        self.name = name


class JobDisabled(ReconciliationError):
    """The job is switched off."""

    refusal = (409, "job-disabled")

    def __init__(self, name: str) -> None:
        super().__init__(f"the reconciliation job {name!r} is switched off: switch it on to compare")
        self.name = name


class ComparisonUnderWay(ReconciliationError):
    """The job is being compared already."""

    refusal = (409, "comparison-under-way")

    def __init__(self, name: str, *, comparison_id: int) -> None:
        super().__init__(f"comparison {comparison_id} of the job {name!r} is under way: wait for its end")
        self.comparison_id = comparison_id


class ComparisonLost(ReconciliationError):
    """Another worker has taken the comparison over: what this one found is discarded."""

    refusal = (409, "comparison-lost")

    def __init__(self, comparison_id: int) -> None:
        super().__init__(f"comparison {comparison_id} was taken over: what was found here is discarded")
        self.comparison_id = comparison_id


class UnknownComparison(ReconciliationError):
    """There is no such comparison."""

    refusal = (404, "comparison-unknown")

    def __init__(self, comparison_id: int) -> None:
        super().__init__(f"there is no comparison {comparison_id}")
        self.comparison_id = comparison_id


class SourceFailed(ReconciliationError):
    """A side cannot be read, or not as the job says; `side` is its place in the job."""

    refusal = (422, "source-failed")

    def __init__(self, message: str, *, side: str) -> None:
        super().__init__(f"{side}: {message}")
        self.side = side


class TooManyVariances(ReconciliationError):
    """So much differs that the job itself must be wrong; nothing was recorded of it."""

    refusal = (422, "too-many-variances")

    def __init__(self, most: int) -> None:
        super().__init__(
            f"more than {most} variances: key, fields or window of the job must be wrong, so nothing was recorded; "
            "mend the job, or raise its `most_variances`"
        )
        self.most = most


class UnknownVariance(ReconciliationError):
    """There is no such variance."""

    refusal = (404, "variance-unknown")

    def __init__(self, variance_id: int) -> None:
        super().__init__(f"there is no variance {variance_id}")
        self.variance_id = variance_id


class AnswerRefused(ReconciliationError):
    """A person cannot make that of the variance."""

    refusal = (409, "answer-refused")

    def __init__(self, variance_id: int, *, state: str, wanted: str) -> None:
        super().__init__(
            f"variance {variance_id} is {state} and cannot become {wanted}: people move variances between open, "
            "accepted and disputed, and a comparison closes them"
        )
        self.variance_id = variance_id


class UnknownRule(ReconciliationError):
    """The job has no rule of that name."""

    refusal = (404, "rule-unknown")

    def __init__(self, *, job: str, rule: str) -> None:
        super().__init__(f"the job {job!r} has no rule {rule!r} that repairs")
        self.rule = rule


class RuleNotShown(ReconciliationError):
    """Nobody has seen yet what the rule would do."""

    refusal = (409, "rule-not-shown")

    def __init__(self, *, job: str, rule: str) -> None:
        super().__init__(
            f"no comparison of {job!r} has shown what the rule {rule!r} would do as it is written now: compare first"
        )
        self.rule = rule
