"""Run trainings and measurements, on this machine or on a cluster, and show their progress."""
