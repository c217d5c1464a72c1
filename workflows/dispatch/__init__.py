"""From what is due in the database to messages at the broker."""
