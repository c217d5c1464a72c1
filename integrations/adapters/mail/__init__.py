"""The adapter `mail.send`: mail over SMTP."""
