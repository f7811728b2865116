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
RESNET = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3]}  # blocks of each stage
MOBILENET = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]  # blocks' outputs
NAMES = ["lenet5", *VGG, *RESNET, "mobilenet"]


def start_conv(m):
    """Kaiming normal by fan out, as published for all networks but LeNet-5."""
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        if m.bias is not None:
            nn.init.zeros_(m.bias)


def start_linear(m):
    """N(0, 0.01), as published for VGG and MobileNet."""
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, 0, 0.01)
        nn.init.zeros_(m.bias)


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
        self.apply(start_conv).apply(start_linear)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def conv_norm(inputs, outputs, kernel, stride=1, groups=1):
    """A convolution that keeps the map's size (or halves it) and the batch norm behind it."""
    return (nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, or a 1x1 convolution where the shape changes. Each
    ReLU is a module of its own, because the modular losses hook them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(inputs, outputs, 3, stride)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv_norm(outputs, outputs, 3)
        changes = stride != 1 or inputs != outputs
        self.downsample = nn.Sequential(*conv_norm(inputs, outputs, 1, stride)) if changes else None
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.downsample(x) if self.downsample else x
        return self.relu2(y)


class ResNet(nn.Module):
    """The form for small images: the first convolution has stride 1, and no pool follows."""

    def __init__(self, plan, channels, classes):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(channels, 64, 3)
        self.relu = nn.ReLU(inplace=True)
        inputs = 64
        for i, blocks in enumerate(plan):
            outputs = 64 << i
            stage = [BasicBlock(inputs, outputs, 1 if i == 0 else 2)]
            stage += [BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)  # PyTorch's own start values
        self.apply(start_conv)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DepthwiseBlock(nn.Module):
    """A depthwise 3x3 and a 1x1 convolution."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(inputs, inputs, 3, stride, groups=inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv_norm(inputs, outputs, 1)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(x)))


class MobileNet(nn.Module):
    """For small images: a block halves the map where it doubles the channels, but for the first."""

    def __init__(self, plan, channels, classes):
        super().__init__()
        self.conv1, self.bn1 = conv_norm(channels, 32, 3)
        self.relu = nn.ReLU(inplace=True)
        inputs, layers = 32, []
        for outputs in plan:
            stride = 2 if layers and outputs > inputs else 1
            layers.append(DepthwiseBlock(inputs, outputs, stride))
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(inputs, classes)
        self.apply(start_conv).apply(start_linear)

    def forward(self, x):
        x = self.layers(self.relu(self.bn1(self.conv1(x))))
        return self.linear(torch.flatten(self.avgpool(x), 1))


def build(name, channels=3, classes=10):
    if name in VGG:
        return VggNet(VGG[name], channels, classes)
    if name in RESNET:
        return ResNet(RESNET[name], channels, classes)
    if name == "mobilenet":
        return MobileNet(MOBILENET, channels, classes)
    return LeNet5(channels, classes)
