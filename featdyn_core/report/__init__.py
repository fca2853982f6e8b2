"""Evidence for readers."""
