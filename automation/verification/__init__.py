"""Who sent a request, and what it says of itself: decided from its bytes and headers alone; nothing here does I/O."""
