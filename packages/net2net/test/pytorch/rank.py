"""The squared singular values of the gradient around a convolution whose units are linear, in float64.

The gradient of a virtual connection from the inputs of the first convolution to what its readers compute: column k is the
gradient of a new unit's out-weights, at zero, where its kernel is the k-th unit vector. The units are read twice: by
the next convolution, and by a sum over positions.
"""
import json

import numpy
import torch
from torch.nn import functional as F

arrays = numpy.load("input.npz")
x, y, w1, w2, w3 = (torch.tensor(arrays[name], dtype=torch.float64) for name in ["x", "y", "w1", "w2", "w3"])


def network(h, u2, u3):
    a = F.conv2d(h, u2, padding=1, stride=2).flatten(1)
    return a @ torch.ones(a.shape[1], 1, dtype=torch.float64) + h.mean(dim=(2, 3)) @ u3.T


hidden = F.conv2d(x, w1, padding=1)
columns = []
for k in range(w1[0].numel()):
    v = torch.zeros(1, *w1.shape[1:], dtype=torch.float64)
    v.view(-1)[k] = 1
    u2 = torch.zeros(w2.shape[0], 1, *w2.shape[2:], dtype=torch.float64, requires_grad=True)
    u3 = torch.zeros(w3.shape[0], 1, dtype=torch.float64, requires_grad=True)
    h = torch.cat([hidden, F.conv2d(x, v, padding=1)], dim=1)
    output = network(h, torch.cat([w2, u2], dim=1), torch.cat([w3, u3], dim=1))
    loss = ((output - y) ** 2).mean()
    gradients = torch.autograd.grad(loss, [u2, u3])
    columns.append(torch.cat([g.flatten() for g in gradients]))
singular = torch.linalg.svdvals(torch.stack(columns, dim=1))
print(json.dumps((singular**2).tolist()))
