"""The Keras example's teacher: twenty steps of SGD with momentum from given weights."""
import json

import numpy
import torch

data = {name: torch.from_numpy(array) for name, array in numpy.load("input.npz").items()}
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 64, 3, padding=1),
    torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(64, 64, 3, padding=1),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(64 * 7 * 7, 64),
    torch.nn.ReLU(),
    torch.nn.Linear(64, 10),
)
layers = {"conv1": model[0], "conv2": model[2], "fc1": model[5], "fc2": model[7]}
with torch.no_grad():
    for name, layer in layers.items():
        weight = data[f"{name}.weight"]
        layer.weight.copy_(weight if weight.dim() == 4 or weight.shape == layer.weight.shape else weight.T)
        layer.bias.copy_(data[f"{name}.bias"])
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
losses = []
for step in range(20):
    images = data["images"][step * 32 : (step + 1) * 32]
    labels = data["labels"][step * 32 : (step + 1) * 32]
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps(losses))
