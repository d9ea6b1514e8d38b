"""The HTML page of one survey or several."""
