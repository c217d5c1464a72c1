"""Django's database engine for PostgreSQL with a cheaper health check; the name that the setting ENGINE gives."""
