"""Networks that are built and trained a little in PyTorch, exported, and loaded again after their growth.

    torch_networks.py make            writes NAME.onnx, NAME.pt, NAME.safetensors, NAME-optimizer.pt and NAME.json
    torch_networks.py load CASES      for each case {"name", "grown", "sizes"} loads GROWN.pt and GROWN-optimizer.pt into a network with
                                      these sizes; prints how far its output is from the old network's, and the next losses of both
"""
import json
import sys

import torch
from safetensors.torch import save_file
from torch import nn


class Mlp(nn.Module):
    def __init__(self, hidden=12, second=9):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(7, hidden), nn.ReLU(), nn.Linear(hidden, second), nn.Tanh())
        self.head = nn.Linear(second, 4)

    def forward(self, x):
        return self.head(self.body(x))

    sample = staticmethod(lambda: torch.randn(16, 7))


class Convolutional(nn.Module):
    """Batch normalizations behind convolutions with and without bias, one depthwise, a residual sum."""

    def __init__(self, stem=8, inner=6):
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(stem)
        self.depth = nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False)
        self.depth_bn = nn.BatchNorm2d(stem, eps=1e-3)
        self.inner = nn.Conv2d(stem, inner, 3, stride=2)
        self.inner_bn = nn.BatchNorm2d(inner)
        self.fc = nn.Linear(inner * 4 * 3, 5)

    def forward(self, x):
        x = torch.relu(self.stem_bn(self.stem(x)))
        x = x + torch.relu(self.depth_bn(self.depth(x)))
        x = torch.relu(self.inner_bn(self.inner(x)))
        return self.fc(x.flatten(1))

    sample = staticmethod(lambda: torch.randn(16, 3, 9, 7))


class Attention(nn.Module):
    """A pre-norm transformer block with a tied head; its feed-forward width grows."""

    def __init__(self, inner=20, width=16):
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (4, -1)).transpose(1, 2) for t in (q, k, v))
        x = x + self.out((torch.softmax(q @ k.transpose(2, 3) / 2, -1) @ v).transpose(1, 2).flatten(2))
        x = x + self.down(torch.nn.functional.gelu(self.up(self.norm2(x))))
        return self.head(x)

    sample = staticmethod(lambda: torch.randint(0, 11, (16, 6)))


networks = {"mlp": Mlp, "conv": Convolutional, "attention": Attention}
optimizers = {
    "mlp": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "conv": lambda p: torch.optim.AdamW(p, 1e-3),
    "attention": lambda p: torch.optim.Adam(p, 1e-3, amsgrad=True),
}


def step(net, optimizer, x, target):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(net(x), target)
    loss.backward()
    optimizer.step()
    return loss.item()


def batches(net, count):
    torch.manual_seed(1)
    with torch.no_grad():
        inputs = [net.sample() for _ in range(count)]
        return [(x, torch.randn_like(net(x))) for x in inputs]


def make():
    for name, build in networks.items():
        torch.manual_seed(0)
        net = build()
        optimizer = optimizers[name](net.named_parameters() if name != "mlp" else net.parameters())
        for x, target in batches(net, 5):
            step(net, optimizer, x, target)
        torch.save(net.state_dict(), f"{name}.pt")
        torch.save(optimizer.state_dict(), f"{name}-optimizer.pt")
        state = {k: v.clone() for k, v in net.state_dict().items()}
        save_file(state, f"{name}.safetensors", {"format": "pt"})
        net.eval()
        sample = net.sample()
        for suffix, optimize in (("", True), ("-raw", False)):
            torch.onnx.export(net, (sample,), f"{name}{suffix}.onnx", dynamo=True, optimize=optimize,
                              external_data=False, verbose=False,
                              dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))


def load(name, grown, sizes):
    old = networks[name]()
    old.load_state_dict(torch.load(f"{name}.pt", weights_only=True))
    new = networks[name](**sizes)
    new.load_state_dict(torch.load(f"{grown}.pt", weights_only=True))
    old.eval(), new.eval()
    x = old.sample()
    difference = (old(x) - new(x)).abs().max().item()
    losses = []
    for net, file in ((old, name), (new, grown)):
        optimizer = optimizers[name](net.named_parameters() if name != "mlp" else net.parameters())
        optimizer.load_state_dict(torch.load(f"{file}-optimizer.pt", weights_only=True))
        net.train()
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] / 100
        losses.append([step(net, optimizer, *batch) for batch in batches(old, 3)])
    return {"difference": difference, "losses": losses}


if sys.argv[1] == "make":
    make()
else:
    print(json.dumps([load(**case) for case in json.loads(sys.argv[2])]))
