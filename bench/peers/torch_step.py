#!/usr/bin/python3
"""Times training steps of PyTorch on the CPU and prints one JSON line.

A step is what a training loop repeats: pick a batch out of uint8 images in memory, normalise it,
forward, losses, backward, SGD with Nesterov momentum, and read the loss. No augmentation and no
data loader processes: the peer is given the cheapest input there is.

    torch_step.py --network vgg16 --method moda --threads 2 --steps 10 --warmup 2
    torch_step.py --network lenet5 --method moda --batch 32 --steps 3 --check FILE.safetensors

--check takes start values and data from a file, to see that both programs compute the same losses:
tensors init.NAME (F32), images (U8 [n,c,h,w]) and labels (I64 [n]), metadata mean and std.
"""
import argparse
import json
import resource
import statistics
import sys
import time

try:
    import numpy
    import torch
    from torch.nn import functional as F
    from torch_losses import ModularLosses
    import torch_networks
except ImportError as e:
    sys.exit(f"torch_step.py: {e}: apt-get install python3-torch libopenblas0, "
             "and run it with /usr/bin/python3")

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--network", choices=torch_networks.NAMES, default="vgg16")
    p.add_argument("--method", choices=["standard", "moda"], default="standard")
    p.add_argument("--batch", type=int, default=128, metavar="N")
    p.add_argument("--channels", type=int, choices=[1, 3], default=3)
    p.add_argument("--classes", type=int, default=10, metavar="N")
    p.add_argument("--images", type=int, default=0, metavar="N", help="in memory (8 batches)")
    p.add_argument("--steps", type=int, default=10, metavar="N")
    p.add_argument("--warmup", type=int, default=2, metavar="N", help="not in the median")
    p.add_argument("--threads", type=int, default=0, metavar="N", help="0: PyTorch's choice")
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--alpha", type=float, default=1.0)
    p.add_argument("--beta", type=float, default=1.0)
    p.add_argument("--gamma", type=float, default=0.3)
    p.add_argument("--bf16", action="store_true", help="autocast to bf16")
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--check", metavar="FILE", help="safetensors with start values and data")
    p.add_argument("--seed", type=int, default=1, metavar="N")
    a = p.parse_args()
    a.images = a.images or 8 * a.batch
    if a.batch < 1 or a.images < a.batch or a.warmup < 0 or a.steps <= a.warmup or a.classes < 1:
        p.error("needs --batch and --classes >= 1, --images >= --batch, --steps > --warmup >= 0")
    return a


def read_safetensors(path):
    """({name: tensor}, metadata) of a trusted file: u64 header length, JSON header, bytes."""
    kinds = {"F32": "<f4", "U8": "u1", "I64": "<i8"}
    with open(path, "rb") as f:
        data = f.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        begin, end = (start + o for o in t["data_offsets"])
        values = numpy.frombuffer(data[begin:end], kinds[t["dtype"]]).reshape(t["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors, metadata


def made_up_data(a):
    """One noisy picture per class, so that there is something to learn; labels in random order."""
    pictures = torch.randint(0, 256, (a.classes, a.channels, 32, 32), dtype=torch.uint8)
    labels = torch.arange(a.images).remainder(a.classes)[torch.randperm(a.images)]
    noise = torch.randint(0, 128, (a.images, a.channels, 32, 32), dtype=torch.uint8)
    return pictures[labels] // 2 + noise, labels


class Trainer:
    def __init__(self, a):
        self.a, self.step_number = a, 0
        torch.manual_seed(a.seed)
        if a.check:
            tensors, metadata = read_safetensors(a.check)
            self.images, self.labels = tensors["images"], tensors["labels"]
            mean, std = json.loads(metadata["mean"]), json.loads(metadata["std"])
        else:
            self.images, self.labels = made_up_data(a)
            mean, std = MEAN[:a.channels], STD[:a.channels]
        # (pixel/255 - mean)/std as one multiplication and one subtraction
        self.scale = (1 / (255 * torch.tensor(std))).view(1, -1, 1, 1)
        self.shift = (torch.tensor(mean) / torch.tensor(std)).view(1, -1, 1, 1)
        self.net = torch_networks.build(a.network, self.images.shape[1], a.classes)
        if a.check:
            self.net.load_state_dict({k[5:]: v for k, v in tensors.items()
                                      if k.startswith("init.")})
        if a.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        self.net.train()
        self.losses = ModularLosses(self.net) if a.method == "moda" else None
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=a.lr, momentum=0.9,
                                         nesterov=True)

    def batch(self):
        """Batches in order, round and round; an incomplete last one is left out."""
        b = self.a.batch
        at = self.step_number % (len(self.images) // b) * b
        self.step_number += 1
        x = self.images[at:at + b].float().mul_(self.scale).sub_(self.shift)
        if self.a.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x, self.labels[at:at + b]

    def step(self):
        """Returns the losses as numbers, which waits for everything."""
        x, y = self.batch()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.a.bf16):
            logits = self.net(x)
        terms = {"cross_entropy": F.cross_entropy(logits.float(), y)}
        loss = terms["cross_entropy"]
        if self.losses:
            aff, dis, com = self.losses(y)
            loss = loss + self.a.alpha * aff + self.a.beta * dis + self.a.gamma * com
            terms.update(affinity=aff, dispersion=dis, compactness=com)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item(), **{k: v.item() for k, v in terms.items()}}


def main():
    a = arguments()
    if a.threads:
        torch.set_num_threads(a.threads)
    imported = peak_mib()
    trainer = Trainer(a)
    seconds, losses = [], []
    for _ in range(a.steps):
        start = time.perf_counter()
        losses.append(trainer.step())
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "program": "torch", "version": torch.__version__, "network": a.network,
        "method": a.method, "batch": a.batch, "threads": torch.get_num_threads(),
        "bf16": a.bf16, "channels_last": a.channels_last,
        "parameters": sum(p.numel() for p in trainer.net.parameters()),
        "seconds": seconds, "median": statistics.median(seconds[a.warmup:]),
        "peak_mib": peak_mib(), "import_mib": imported, "losses": losses[:5]}))


if __name__ == "__main__":
    main()
