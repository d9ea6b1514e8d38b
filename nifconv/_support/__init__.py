"""What every room uses: reading of arguments, running and editing of models, precision, random state."""
