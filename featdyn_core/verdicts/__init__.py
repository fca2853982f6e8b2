"""From numbers to verdicts: criteria, inference over seeds, verdicts, and evidence."""
