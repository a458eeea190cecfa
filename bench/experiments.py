"""The five trainings of the experiment in PyTorch: train size, test size, epochs, threads."""
import sys

import torch
import torch.nn.functional as F

sys.stdin = open("/dev/null")
from pytorch import network  # noqa: E402

train_size, test_size, epochs, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.set_flush_denormal(True)
torch.manual_seed(0)
best = {"teacher": torch.channels_last, "wider": torch.channels_last, "deeper": torch.contiguous_format}


def images(count):
    return torch.rand(count, 1, 28, 28) * (torch.rand(count, 1, 28, 28) < 0.2)


x, y = images(train_size), torch.arange(train_size) % 10
x_test, y_test = images(test_size), torch.arange(test_size) % 10
for kind in ["teacher", "wider", "wider", "deeper", "deeper"]:
    layout = best[kind]
    model = network(kind).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    for _ in range(epochs):
        order = torch.randperm(train_size)
        for start in range(0, train_size, 32):
            rows = order[start : start + 32]
            batch = x[rows].to(memory_format=layout)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(batch), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            for start in range(0, test_size, 100):
                part = x_test[start : start + 100].to(memory_format=layout)
                F.cross_entropy(model(part), y_test[start : start + 100]).item()
