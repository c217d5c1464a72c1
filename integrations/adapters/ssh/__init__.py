"""The adapters `ssh.run`, `sftp.get` and `sftp.put`: commands and files on hosts whose keys are known."""
