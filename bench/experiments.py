"""Some of the experiment's trainings in PyTorch, one after the other.

Parameters: folder of the images, train size, test size, epochs, threads, networks (teacher,wider,…).
The folder has train.images, train.labels, test.images and test.labels: bytes, without headers.
"""
import os
import sys

import torch
import torch.nn.functional as F

parameters = sys.argv[1:]
from networks import experiment  # noqa: E402

folder = parameters[0]
train_size, test_size, epochs, threads = map(int, parameters[1:5])
networks = parameters[5].split(",")
torch.set_num_threads(threads)
torch.set_flush_denormal(True)
torch.manual_seed(0)
best = {"teacher": torch.channels_last, "wider": torch.channels_last, "deeper": torch.contiguous_format}


def load(part, count):
    def read(name):
        with open(os.path.join(folder, f"{part}.{name}"), "rb") as file:
            return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)

    images = read("images").view(-1, 1, 28, 28)[:count]
    return images.float() / 255, read("labels")[:count].long()


x, y = load("train", train_size)
x_test, y_test = load("test", test_size)
for kind in networks:
    layout = best[kind]
    model = experiment(kind).to(memory_format=layout)
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
