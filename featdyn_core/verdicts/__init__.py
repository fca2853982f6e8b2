"""What numbers say: criteria, inference over seeds, verdicts, evidence."""
