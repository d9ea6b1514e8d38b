"""One HTML page for one survey or several."""
