"""Surveys of a model whose names try to break out of a page."""

from __future__ import annotations

import torch
from torch import nn

from nifconv import FrequencyConv2d, footprint
from nifconv.footprint import Survey

EVIL = '<script>document.title="taken"</script>"\'&$x$'


def evil_model() -> nn.Module:
    model = nn.Sequential()
    model._modules[EVIL] = nn.Conv2d(1, 4, 5)
    model._modules["</details><img src=x onerror=alert(1)>"] = FrequencyConv2d(4, 4, groups=4)
    model._modules["idle"] = nn.Identity()
    return model


def surveyed(null: int = 0) -> Survey:
    return footprint.survey(evil_model(), torch.randn(1, 1, 12, 12), null=null)
