"""To ONNX, in one of several forms, with a report on what the file costs."""

from nifconv.exporting._export import ExportReport, export_onnx
from nifconv.exporting._forms import FORMS, Form

__all__ = [
    "FORMS",
    "ExportReport",
    "Form",
    "export_onnx",
]
