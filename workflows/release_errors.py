"""What releases can refuse; the tree is in `workflows/errors.py`."""

from workflows.errors import WorkflowError


class CanaryInvalid(WorkflowError):
    """A canary cannot be as it was described; `field` says what is wrong."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"canary: {field} {problem}")
        self.field = field
        self.problem = problem


class NoCanary(WorkflowError):
    """No version of the workflow is on trial."""

    def __init__(self, *, workflow: str, hint: str) -> None:
        super().__init__(f"no version of workflow {workflow!r} is on trial: {hint}")
        self.workflow = workflow
