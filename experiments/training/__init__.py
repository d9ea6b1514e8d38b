"""What `experiments.train` adds to Lightning: data, the training loop, and resuming after an interruption."""
