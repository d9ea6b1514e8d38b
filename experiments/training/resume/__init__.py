"""Checkpoints, the state that they restore, and the folder of a run."""
