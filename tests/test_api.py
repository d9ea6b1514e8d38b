import importlib
import importlib.metadata
import pkgutil

import nifconv
from nifconv import footprint, frequency, functional
from tests import programs

PUBLIC = {
    "Baked",
    "Budget",
    "Conversion",
    "Envelope",
    "FilterBank",
    "FilterFactory",
    "FitResult",
    "FourierFeatures",
    "FrequencyConv1d",
    "FrequencyConv2d",
    "FrequencyConv3d",
    "FrequencyFilter",
    "ImplicitFilter",
    "LCConv1d",
    "LCConv2d",
    "LCConv3d",
    "MultiScaleFeatures",
    "ParameterCount",
    "SpatialFilter",
    "TableFilter",
    "bake",
    "compact_state_dict",
    "convert",
    "count_parameters",
    "evaluated_once",
    "fit",
    "footprint",
    "frequency",
    "frozen",
    "functional",
    "load",
    "load_compact_state_dict",
    "locality_penalty",
    "niff_big",
    "niff_small",
    "niff_tiny",
    "use_crossover",
}
FOOTPRINT = {
    "MEASURES",
    "Comparison",
    "History",
    "LayerFootprint",
    "NullDistribution",
    "ReceptiveField",
    "Survey",
    "align",
    "anisotropy",
    "centroid",
    "compare",
    "cross_preference",
    "cross_share",
    "effective_receptive_field",
    "effective_size",
    "energy_ratio",
    "even_share",
    "mass_ratio",
    "position_variance",
    "principal_kernels",
    "radial_profile",
    "read_history",
    "rms_radius",
    "sign_alternation",
    "spectral_radius",
    "survey",
    "windows",
}


def test_public_names() -> None:
    assert set(nifconv.__all__) == PUBLIC
    assert set(footprint.__all__) == FOOTPRINT
    for module in (nifconv, footprint):
        assert all(hasattr(module, name) for name in module.__all__)
    for name in ("grid", "half_shape", "project_hermitian", "taps_to_spectrum", "spectrum_to_taps"):
        assert callable(getattr(frequency, name))
    assert callable(functional.spectral_conv)


def test_every_public_object_is_described() -> None:
    for module in (nifconv, footprint, frequency, functional):
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            if not name.startswith("_") and getattr(value, "__module__", "").startswith("nifconv"):
                assert value.__doc__, f"{module.__name__}.{name}"


OPTIONAL = ["huggingface_hub", "jinja2", "lightning", "matplotlib", "onnx", "onnxruntime", "onnxscript", "pandas"]
OPTIONAL += ["PIL", "rich", "safetensors", "scipy", "sklearn", "timm", "torchvision", "torch._dynamo", "typer", "yaml"]


def test_importing_is_silent_and_light() -> None:
    """With every public name, and beyond what torch itself imports where it finds it."""
    program = f"""
import sys, warnings
warnings.simplefilter("error")
optional = set({OPTIONAL!r}) - set(sys.modules)
from nifconv import *
from nifconv import models
print(Conversion.__name__, sorted(optional & set(sys.modules)), len(optional) > 10)
"""
    done = programs.run(program)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "Conversion [] True", "")


def test_every_module_can_be_imported_alone() -> None:
    for info in pkgutil.walk_packages(nifconv.__path__, "nifconv."):
        assert importlib.import_module(info.name).__doc__, info.name


def test_core_dependencies_are_three() -> None:
    metadata = importlib.metadata.metadata("nifconv")
    core = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in core) == ["einops", "numpy", "torch"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"plot", "experiments", "export", "dev"} <= set(metadata.get_all("Provides-Extra", []))
