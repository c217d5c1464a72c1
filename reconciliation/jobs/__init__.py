"""What a job is: its document, checked, and what it means."""
