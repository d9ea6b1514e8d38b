"""What `experiments.train` adds to Lightning: what is trained and how, the folder of a run, going on after a crash."""
