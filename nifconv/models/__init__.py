"""Models by name and from files: what every command accepts as a model, `nifconv.load`, and export to ONNX.

>>> from nifconv.models import NamedModel
>>> NamedModel("resnet18", num_classes=10).build().fc
Linear(in_features=512, out_features=10, bias=True)
"""

from nifconv._support.named import NamedModel, takes
from nifconv.models._content import DESCRIPTION, SUFFIXES, checkpoints, read
from nifconv.models._export import ExportReport, export_onnx
from nifconv.models._forms import FORMS, Form
from nifconv.models._load import load
from nifconv.models._open import OpenedModel, is_file, open_model

__all__ = [
    "DESCRIPTION",
    "FORMS",
    "SUFFIXES",
    "ExportReport",
    "Form",
    "NamedModel",
    "OpenedModel",
    "checkpoints",
    "export_onnx",
    "is_file",
    "load",
    "open_model",
    "read",
    "takes",
]
