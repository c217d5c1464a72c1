"""What happens behind the intake: requests become rows, rows become events, events start runs. Any number may run."""
