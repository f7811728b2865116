"""The modular losses the way PyTorch users write them: hooks collect every ReLU's output, and each
layer compares all pairs of the batch through its B x B similarity matrix."""
import torch
from torch import nn
from torch.nn import functional as F


class ModularLosses:
    """Affinity, dispersion and compactness of the last forward pass of net."""

    def __init__(self, net):
        self.outputs = []
        for m in net.modules():
            if isinstance(m, nn.ReLU):
                m.register_forward_hook(lambda _m, _x, y: self.outputs.append(y))

    @staticmethod
    def activation(x):
        """[n,c,h,w] -> [n,c], mean of |x| over the map; features [n,d] stay. f32 under autocast."""
        x = x.float()
        return x.abs().mean(dim=(2, 3)) if x.dim() == 4 else x

    def __call__(self, labels):
        """Returns (L_aff, L_dis, L_com), tensors, and forgets the collected outputs."""
        # Pairs i < j. They are the same for every layer, so the masks are made once.
        first = torch.ones(len(labels), len(labels), device=labels.device).triu(diagonal=1)
        equal = (labels[:, None] == labels[None, :]).float()
        same, different = first * equal, first * (1 - equal)
        same_count = same.sum().clamp(min=1)  # a mean over no pairs is 0
        different_count = different.sum().clamp(min=1)
        affinity, dispersion, compactness = [], [], []
        for x in self.outputs:
            a = self.activation(x)
            u = F.normalize(a, dim=1, eps=1e-12)
            similarity = u @ u.t()
            affinity.append((similarity * same).sum() / same_count)
            dispersion.append((similarity * different).sum() / different_count)
            compactness.append(a.abs().mean())
        self.outputs.clear()
        return (1 - torch.stack(affinity).mean(), torch.stack(dispersion).mean(),
                torch.stack(compactness).mean())
