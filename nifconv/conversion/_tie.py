"""Convolutions that share a weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from nifconv.conversion._candidate import Candidate
from nifconv.conversion._match import centred_taps
from nifconv.layers import SpatialLayer


def tie_filters(model: nn.Module, candidates: Sequence[Candidate], *, match: bool) -> None:
    """Makes the new layers of convolutions with one weight share one filter, or keeps all of these convolutions."""
    # A parameter that serves as a bias stays tied by itself (see `inherit_state`); only shared weights are at stake.
    by_conv = {candidate.conv: candidate for candidate in candidates}
    for parameter, users in _users(model, by_conv).items():
        tied = [by_conv[m] for m in users if m in by_conv and getattr(m, "bias", None) is not parameter]
        if len(users) == 1 or all(candidate.layer is None for candidate in tied):
            continue
        # Fewer candidates than users: the weight is also that of a module other than a convolution.
        if len(tied) < len(users) or not _tie(tied, match=match):
            for candidate in tied:
                candidate.keep("its weight is tied to that of another module; replacing it would untie them")


def _users(model: nn.Module, convs: Iterable[nn.Module]) -> dict[nn.Parameter, list[nn.Module]]:
    """The modules that hold each parameter; what the parametrizations of a convolution hold counts as its own."""
    owners = {part: conv for conv in convs for part in getattr(conv, "parametrizations", nn.Module()).modules()}
    users: dict[nn.Parameter, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(parameter, []).append(owners.get(module, module))
    return users


def _tie(tied: Sequence[Candidate], *, match: bool) -> bool:
    """Ties the layers of all candidates to that of the first; False if one of them cannot be tied."""
    first, *others = tied
    if not isinstance(first.layer, SpatialLayer) or parametrize.is_parametrized(first.conv):
        return False
    # Compared by value below: the weight is one tensor, but each layer may place its taps differently.
    taps = centred_taps(first.conv, first.layer)
    for other in others:
        if not isinstance(other.layer, SpatialLayer) or not other.layer.tie_to(first.layer):
            return False
        # Taps of another dilation or padding lie elsewhere in a kernel as large as the map.
        if match and not torch.equal(centred_taps(other.conv, other.layer), taps):
            return False
    return True
