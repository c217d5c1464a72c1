"""Where secrets are kept, and how they are fetched; see `docs/guide/secrets.md`."""
