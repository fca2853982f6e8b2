"""What was fixed in advance and what numbers say."""
