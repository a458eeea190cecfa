"""
Exports networks whose weights are computed in the graph into the current folder as NAME.onnx, with
nothing folded, and prints their names.
"""
import json
import warnings

import torch
from torch import nn
from torch.nn.utils import parametrize, prune, spectral_norm, weight_norm

warnings.filterwarnings("ignore")
torch.manual_seed(0)


class LowRank(nn.Module):
    """W + s·B·A, as a parametrization of W."""
    def __init__(self, rows, columns, rank=2):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(rank, columns)), nn.Parameter(torch.randn(rows, rank))

    def forward(self, weight):
        return weight + self.b @ self.a * 0.5


class Scaled(nn.Module):
    """He's constant at run time: the equalised learning rate."""
    def forward(self, weight):
        return weight * (2 / weight[0].numel()) ** 0.5


def adapted(layer):
    parametrize.register_parametrization(layer, "weight", LowRank(*layer.weight.shape))
    return layer


def scaled(layer):
    parametrize.register_parametrization(layer, "weight", Scaled())
    return layer


def pruned(layer):
    return prune.random_unstructured(layer, "weight", 0.3)


def network(first, second, third):
    return nn.Sequential(
        first(nn.Conv2d(3, 6, 3)), nn.ReLU(), second(nn.Conv2d(6, 5, 3)), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), third(nn.Linear(5, 7)), nn.Tanh(), nn.Linear(7, 2),
    )


def plain(layer):
    return layer


def along_inputs(layer):
    return weight_norm(layer, dim=1)


NETWORKS = {
    "plain": network(plain, plain, plain),
    "weight-norm": network(weight_norm, plain, weight_norm),
    "weight-norm-everywhere": network(weight_norm, weight_norm, weight_norm),
    "weight-norm-along-inputs": network(plain, along_inputs, along_inputs),
    "pruned": network(pruned, pruned, pruned),
    "scaled": network(scaled, scaled, scaled),
    "spectral-norm": network(plain, spectral_norm, spectral_norm),
    "low-rank": network(plain, plain, adapted),
    "tokens": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
    "tokens-low-rank": nn.Sequential(
        adapted(nn.Linear(4, 6)), nn.ReLU(), adapted(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 3)
    ),
}

for name, model in NETWORKS.items():
    x = torch.randn(2, 5, 4) if name.startswith("tokens") else torch.randn(2, 3, 8, 7)
    torch.onnx.export(
        model.eval(), x, name + ".onnx", do_constant_folding=False, opset_version=13,
        input_names=["x"], dynamic_axes={"x": {0: "n"}},
    )
print(json.dumps(list(NETWORKS)))
