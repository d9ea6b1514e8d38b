"""What is measured of a kernel."""
