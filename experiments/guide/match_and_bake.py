"""
Match, fine-tune, bake, export
==============================

A trained network keeps its function when it is converted with ``match=True``, can be trained further, and
becomes plain ``nn.Conv2d`` again for deployment.
"""

import tempfile
from pathlib import Path

import onnxruntime
import torch
import torchvision

from nifconv import SpatialFilter, bake, convert, footprint

torch.manual_seed(0)
net = torchvision.models.resnet18(num_classes=10).eval()
image = torch.randn(2, 3, 64, 64)

# %%
# Nine spatial filters for each channel span all kernels of 3x3 taps, so the converted network computes the same. With
# fewer, or with an implicit filter, the report says how far each layer is from the original.

conversion = convert(net, to="lc", expansion=9, filter=SpatialFilter, match=True, example_input=image)
print(str(conversion.report).splitlines()[0])
print(f"the output changed by {conversion.report.output_change:.0e} of its norm")

# %%
# Fine-tuning is ordinary training. One step stands for it here.

model = conversion.model.train()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
torch.nn.functional.cross_entropy(model(image), torch.tensor([3, 7])).backward()
optimizer.step()

# %%
# ``bake`` gives every layer the smallest plain kernel that keeps the tolerance.

baked = bake(model.eval(), image, tolerance=0.01)
print(baked.report)

# %%
# These are its kernels, each at the size that it needs. One step of training has hardly changed them.

footprint.survey(baked.model, image).plot("kernels")

# %%
# The baked network holds nothing of nifconv, so it goes wherever PyTorch goes.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "baked.onnx")
    torch.onnx.export(baked.model, (image,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path)
    (output,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
print(f"ONNX: the output differs by {(torch.from_numpy(output) - baked.model(image)).abs().max():.0e}")
