"""The machinery of a study: its runs, statistics, verdicts, tables and files."""
