"""The adapters `file.read`, `file.write` and `file.list`: files below one folder of the workers."""
