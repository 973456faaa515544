"""A small network with a convolution, batch norm and dense layers, in a file beside the study: `digits_cnn:DIGITS_CNN`."""

from torch import nn

from suite.problems.digits import DigitsMlp


class DigitsCnn(DigitsMlp):
    """8×8 → convolution 3×3 of 4 channels → batch norm → ReLU → 144 → 16 → ReLU → 10, on scikit-learn's digits."""

    key = "digits_cnn"
    summary = "a convolution, batch norm and two dense layers on scikit-learn's digits, 2,538 parameters"
    min_batch_size = 1

    def network(self):
        convolution = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*convolution, nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 10))

    def prepare(self, inputs):
        return super().prepare(inputs).unflatten(1, (1, 8, 8))


DIGITS_CNN = DigitsCnn()
