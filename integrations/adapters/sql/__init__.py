"""The adapters `sql.query` and `sql.execute`: PostgreSQL and MariaDB, with bound parameters only."""
