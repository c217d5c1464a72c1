"""Reconciliation in the admin: jobs, reports, variances; every change is one operation, no row is edited."""

from reconciliation.admin.comparisons import ComparisonAdmin
from reconciliation.admin.jobs import JobAdmin
from reconciliation.admin.variances import VarianceAdmin

__all__ = ["ComparisonAdmin", "JobAdmin", "VarianceAdmin"]
