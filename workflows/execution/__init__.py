"""What a worker does with a wake-up: from the claim to the commit of each step."""
