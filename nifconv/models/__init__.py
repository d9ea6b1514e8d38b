"""Models by name and from files: what every command takes for a model, and `nifconv.load`.

>>> from nifconv.models import NamedModel
>>> NamedModel("resnet18", num_classes=10).build().fc
Linear(in_features=512, out_features=10, bias=True)
"""

from nifconv._support.named import NamedModel, takes
from nifconv.models._content import DESCRIPTION, SUFFIXES, checkpoints, read
from nifconv.models._load import load
from nifconv.models._open import OpenedModel, is_file, open_model

__all__ = [
    "DESCRIPTION",
    "SUFFIXES",
    "NamedModel",
    "OpenedModel",
    "checkpoints",
    "is_file",
    "load",
    "open_model",
    "read",
    "takes",
]
