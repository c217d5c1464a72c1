"""The call ledger: one row for each outbound call of a step, durable before the first attempt is sent."""
