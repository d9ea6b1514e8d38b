"""The studies: one question, one folder, one command, one report."""
