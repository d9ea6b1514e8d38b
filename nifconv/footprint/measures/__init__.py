"""What a survey measures of kernels; `MEASURES` is the table that everything else reads."""

from nifconv.footprint.measures._table import BY_NAME, HEADLINE, MEASURES, Measure

__all__ = ["BY_NAME", "HEADLINE", "MEASURES", "Measure"]
