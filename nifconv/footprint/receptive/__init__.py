"""What an output sees: the effective receptive field of any layer of any model, convolutional or of tokens."""

from nifconv.footprint.receptive._field import ReceptiveField
from nifconv.footprint.receptive._measure import effective_receptive_field

__all__ = ["ReceptiveField", "effective_receptive_field"]
