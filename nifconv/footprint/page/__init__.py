"""The HTML page of one survey or of several."""
