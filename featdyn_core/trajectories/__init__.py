"""Trainings: recipes, checkpoints, and where they are stored."""
