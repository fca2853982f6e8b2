"""What a claim needs, and how it is decided."""
