#!/usr/bin/python3
"""Makes masked_steps.safetensors: two SGD steps of a small residual network with MwT's masks, in PyTorch
(python3-torch, f64), by autograd and with the terms written pair by pair. tests/test_masked_golden.c holds
the same description. usage: masked_steps.py masked_steps.safetensors"""
import json
import struct
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F

STEPS, BATCH, ALPHA, BETA, LR = 2, 10, 0.5, 1.5, 0.05
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


class Masked(nn.Module):
    """A convolution's batch norm times m(input of the convolution)."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.fc1 = nn.Linear(inputs, outputs, bias=False)
        self.fc2 = nn.Linear(outputs, outputs)
        self.mask = None

    def forward(self, x):
        pooled = x.mean(dim=(2, 3))
        self.mask = torch.relu(torch.tanh(self.fc2(torch.relu(self.fc1(pooled)))))
        return self.norm(self.conv(x)) * self.mask[:, :, None, None]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(6)
        self.a, self.b = Masked(6, 10, 3, 2), Masked(10, 10, 3, 1)
        self.side = Masked(6, 10, 1, 2)
        self.c = Masked(10, 12, 3, 1)
        self.head = nn.Linear(12 * 4, 4)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        y = F.relu(self.a(x))
        y = F.relu(self.b(y) + self.side(x))
        y = F.max_pool2d(F.relu(self.c(y)), 2)
        return self.head(y.flatten(1))

    def masks(self):
        return [self.a.mask, self.b.mask, self.side.mask, self.c.mask]


def pairs(m, labels):
    """Mean cosine of pairs of one class, and of two."""
    same, different = [], []
    for i in range(len(labels)):
        for j in range(i):
            cosine = F.cosine_similarity(m[i], m[j], dim=0, eps=1e-12)
            (same if labels[i] == labels[j] else different).append(cosine)
    return torch.stack(same).mean(), torch.stack(different).mean()


def names(net):
    """moda's names of the state dict's tensors."""
    result = {}
    for key, value in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        part = key.split(".")
        if part[0] in ("a", "b", "side", "c"):
            middle = part[1] if part[1] in ("conv", "norm") else "norm.mask." + part[1]
            key = ".".join([part[0], middle, part[2]])
        result[key] = value.detach().to(torch.float32).clone()
    return result


def write(path, tensors, metadata):
    kinds = {torch.float32: "F32", torch.uint8: "U8", torch.int64: "I64"}
    header, blob = {"__metadata__": metadata}, b""
    for name, t in tensors.items():
        data = t.contiguous().numpy().tobytes()
        header[name] = {"dtype": kinds[t.dtype], "shape": list(t.shape),
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def main():
    torch.manual_seed(20)
    net = Net()
    for name, p in net.named_parameters():  # some masks shut, some open, differing from sample to sample
        if name.endswith("fc2.bias"):
            nn.init.normal_(p, 0.3, 0.6)
        elif ".fc" in name:
            nn.init.normal_(p, 0, 1)
    net = net.double()
    tint = torch.randint(0, 200, (STEPS * BATCH, 3, 1, 1))
    images = (tint + torch.randint(0, 56, (STEPS * BATCH, 3, 8, 8))).to(torch.uint8)
    labels = torch.randint(0, 4, (STEPS * BATCH,))
    tensors = {"images": images, "labels": labels}
    tensors.update({"init." + k: v for k, v in names(net).items()})
    mean, std = (torch.tensor(v, dtype=torch.float64)[None, :, None, None] for v in (MEAN, STD))
    optimizer = torch.optim.SGD(net.parameters(), LR, momentum=0.9, nesterov=True)
    log = []
    for step in range(STEPS):
        at = slice(step * BATCH, (step + 1) * BATCH)
        logits = net((images[at].double() / 255 - mean) / std)
        terms = [pairs(m, labels[at].tolist()) for m in net.masks()]
        cross_entropy = F.cross_entropy(logits, labels[at])
        affinity = 1 - sum(t[0] for t in terms) / len(terms)
        dispersion = sum(t[1] for t in terms) / len(terms)
        loss = cross_entropy + ALPHA * affinity + BETA * dispersion
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shut = sum(int((m == 0).sum()) for m in net.masks())
        log.append({"loss": loss.item(), "cross_entropy": cross_entropy.item(),
                    "affinity": affinity.item(), "dispersion": dispersion.item(), "shut": shut,
                    "masks": sum(m.numel() for m in net.masks())})
        tensors.update({"step%d.%s" % (step + 1, k): v for k, v in names(net).items()})
    write(sys.argv[1], tensors, {"mean": json.dumps(MEAN), "std": json.dumps(STD),
                                 "log": json.dumps(log)})
    print(json.dumps(log, indent=1))


main()
