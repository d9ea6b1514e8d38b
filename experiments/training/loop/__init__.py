"""The module that is trained, its schedules and callbacks."""
