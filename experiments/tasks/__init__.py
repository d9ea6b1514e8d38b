"""Tasks on embedded data, from handwritten digits to contours."""
