"""Stripe: payments, refunds and what there is to reconcile; the folder to copy for an app with an official client."""
