"""
Exports causal attention with groups of heads as the operator Attention of operator set 23 to model.onnx, and
writes the input x, the target and the gradients of all biases under the mean squared error to output.npz.
"""
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Attend(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 12)
        self.q, self.k, self.v = nn.Linear(12, 16), nn.Linear(12, 8), nn.Linear(12, 8)
        self.out = nn.Linear(16, 12)

    def forward(self, x):
        h = torch.tanh(self.stem(x))
        q, k, v = (f(h).unflatten(-1, (-1, 4)).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).flatten(2))


torch.manual_seed(7)
torch.set_num_threads(1)
model = Attend().eval()
x, target = torch.randn(2, 5, 3), torch.randn(2, 5, 12)
program = torch.onnx.export(model, (x,), dynamo=True, opset_version=23, input_names=["x"], output_names=["y"])
program.save("model.onnx")
F.mse_loss(model(x), target).backward()
biases = {name: p.grad.numpy() for name, p in model.named_parameters() if name.endswith("bias")}
np.savez("output.npz", x=x.numpy(), target=target.numpy(), **biases)
print("{}")
