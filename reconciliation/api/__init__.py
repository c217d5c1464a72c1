"""Reconciliation over HTTP: jobs, comparisons, variances."""
