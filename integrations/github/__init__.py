"""GitHub: issues, workflows and statuses; the folder to copy for an app that speaks JSON over HTTP."""
