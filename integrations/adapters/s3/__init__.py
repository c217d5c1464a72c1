"""The adapters `s3.get`, `s3.put` and `s3.list`: objects in a bucket of S3, or of what speaks like it."""
