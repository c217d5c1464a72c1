"""Slack: messages that are posted once, changed and taken back."""
