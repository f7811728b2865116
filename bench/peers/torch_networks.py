"""The benchmark's networks in PyTorch. Tensor names are those of the published models' state_dict,
so the weights of one program load into the other."""
import torch
from torch import nn

# Channels of the 3x3 convolutions, "M" is a 2x2 max pool.
VGG = {
    "vgg11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M",
              512, 512, 512, "M"],
    "vgg19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M",
              512, 512, 512, 512, "M"],
}
NAMES = ["lenet5"] + list(VGG)


class LeNet5(nn.Module):
    """[c,32,32] -> 6@28 -> 6@14 -> 16@10 -> 16@5 -> 120 -> 84 -> classes. PyTorch's own start
    values, uniform within 1/sqrt(fan_in), are the published ones."""

    def __init__(self, channels, classes):
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(channels, 6, 5), nn.ReLU(inplace=True)
        self.conv2, self.relu2 = nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.relu3 = nn.Linear(16 * 5 * 5, 120), nn.ReLU(inplace=True)
        self.fc2, self.relu4 = nn.Linear(120, 84), nn.ReLU(inplace=True)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = self.pool(self.relu1(self.conv1(x)))
        x = self.pool(self.relu2(self.conv2(x)))
        x = self.relu3(self.fc1(torch.flatten(x, 1)))
        return self.fc3(self.relu4(self.fc2(x)))


class VggNet(nn.Module):
    """VGG with batch norm for [c,32,32]: five pools leave 512 features. ReLU works in place, as
    usual for these models: it saves the peer one buffer per layer."""

    def __init__(self, plan, channels, classes):
        super().__init__()
        layers, c = [], channels
        for out in plan:
            if out == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(c, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            c = out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, classes))
        self.apply(self.start_values)

    @staticmethod
    def start_values(m):
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def build(name, channels=3, classes=10):
    if name == "lenet5":
        return LeNet5(channels, classes)
    return VggNet(VGG[name], channels, classes)
