"""Networks that the experiments train, and attacks on them."""
