"""What every room uses: checking arguments, running and editing models, precision and random state."""
