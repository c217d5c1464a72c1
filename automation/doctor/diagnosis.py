"""All findings of the doctor, the worst first; pure."""

from collections.abc import Sequence

from automation.doctor import outside, stores, working
from automation.doctor.evidence import Evidence
from automation.doctor.finding import Finding, Level

_RANK = {Level.ERROR: 0, Level.WARNING: 1, Level.OK: 2}


def diagnose(evidence: Evidence) -> Sequence[Finding]:
    """This will judge the evidence: errors first, then warnings, then what is well."""
    found = [*stores.findings(evidence), *working.findings(evidence), *outside.findings(evidence)]
    return sorted(found, key=lambda finding: _RANK[finding.level])


def is_sick(findings: Sequence[Finding]) -> bool:
    """This will tell whether there is an error."""
    return any(finding.level is Level.ERROR for finding in findings)
