"""Trainings and measurements under way."""
