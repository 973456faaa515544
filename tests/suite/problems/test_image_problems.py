"""The residual network, the vision transformer and the autoencoder: their formulas, and training on the real images."""

import math

import pytest
import torch
from torch import nn

from suite.errors import UserError
from suite.problems import PROBLEMS, resolve_options
from suite.problems.resnet import ResidualBlock
from suite.records import Outcome
from suite.training.run_trial import run_trial
from suite.trials import Trial


@pytest.mark.parametrize(("channels_in", "channels"), [(4, 4), (4, 6)])
def test_a_residual_block_equals_its_formula(channels_in, channels):
    """ReLU(norm(W₂ ReLU(norm(W₁ x))) + shortcut), where a shortcut takes every second pixel and adds channels of 0."""
    torch.manual_seed(0)
    block, x = ResidualBlock(channels_in, channels).double().eval(), torch.randn(2, channels_in, 7, 7).double()
    stride = 1 if channels == channels_in else 2

    def conv(h, weight, stride):
        patches = nn.functional.unfold(h, 3, padding=1, stride=stride)
        side = math.isqrt(patches.shape[2])
        return (weight.flatten(1) @ patches).unflatten(2, (side, side)) / math.sqrt(1 + 1e-5)  # a new norm's statistics

    expected = conv(conv(x, block.conv1.weight, stride).relu(), block.conv2.weight, 1)
    expected[:, :channels_in] += x[:, :, ::stride, ::stride]
    torch.testing.assert_close(block(x), expected.relu())


def test_a_resnet_halves_its_sides_twice():
    """The sides are 28, 14 and 7 with 16, 32 and 64 channels; ResNet-20 has 20 layers with weights, ResNet-8 has 8."""
    problem = PROBLEMS["fashion_mnist_resnet"]
    for size, layers in (("tiny", 8), ("full", 20)):
        network = problem.network(size=size)
        assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules()) == layers
        x, shapes = problem.prepare(problem.synthetic_batch(2)[0]), []
        for layer in network:
            x = layer(x)
            if isinstance(layer, ResidualBlock):
                shapes.append(tuple(x.shape[1:]))
        assert shapes == sorted([(16, 28, 28), (32, 14, 14), (64, 7, 7)] * (len(shapes) // 3))


def test_the_patches_of_the_vision_transformer_are_squares_of_7_pixels():
    """A pixel changes only its own patch before the blocks, and each of the 16 patches has 49 pixels."""
    network = PROBLEMS["fashion_mnist_vit"].network()
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    patches = network.patches(x)
    assert patches.shape == (1, 64, 4, 4)
    (gradient,) = torch.autograd.grad(patches[0, :, 1, 2].sum(), x)
    assert gradient[0, 0, 7:14, 14:21].all()
    assert gradient.count_nonzero() == 49


def test_every_patch_attends_to_every_other():
    """Attention is not causal: the class token, the first position, depends on the last patch."""
    torch.manual_seed(0)
    network, x = PROBLEMS["fashion_mnist_vit"].network(), torch.zeros(1, 1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x).square().sum(), x)
    assert gradient[0, 0, 21:, 21:].any()


def test_the_code_of_the_autoencoder_is_linear_and_its_units_an_option():
    """There are two hidden units layers on each side of the code, none behind it and none behind the last layer."""
    problem = PROBLEMS["fashion_mnist_autoencoder"]
    for activation, unit in (("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh)):
        kinds = [type(layer) for layer in problem.network(activation=activation)]
        assert kinds == [nn.Flatten, *[nn.Linear, unit] * 2, nn.Linear, *[nn.Linear, unit] * 2, nn.Linear]


def test_the_loss_of_the_autoencoder_equals_its_formula():
    """The mean over pixels of −x ln p − (1 − x) ln(1 − p), in float64."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    logits = torch.randn(3, 784, dtype=torch.float64)
    x, p = images.flatten(1).double() / 255, logits.sigmoid()
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).mean()
    assert PROBLEMS["fashion_mnist_autoencoder"].loss(logits, images).item() == pytest.approx(
        expected.item(), rel=1e-12
    )


def test_another_activation_is_an_error(wording):
    """The error names the activations."""
    with pytest.raises(UserError) as error:
        resolve_options(PROBLEMS["fashion_mnist_autoencoder"], {"activation": "relu"})
    wording(error.value)


@pytest.mark.data
def test_the_chance_loss_of_the_autoencoder_is_that_of_the_mean_image(fashion_mnist):
    """The best constant prediction is the mean of the training images; its loss is the mean entropy of its pixels."""
    problem = PROBLEMS["fashion_mnist_autoencoder"]
    data = problem.load(fashion_mnist)
    assert data.train_targets is data.train_inputs
    mean = (data.train_inputs.double().mean(dim=0) / 255).flatten()
    entropy = -(mean * mean.log() + (1 - mean) * (1 - mean).log()).mean()
    assert problem.chance_loss == pytest.approx(entropy.item(), rel=1e-6)


@pytest.mark.data
@pytest.mark.parametrize(
    ("key", "metric", "low", "high"),
    [
        ("fashion_mnist_resnet", "test/accuracy", 0.4, 1),
        ("fashion_mnist_vit", "test/accuracy", 0.4, 1),
        ("fashion_mnist_autoencoder", "test/loss", 0.2, 0.42),
    ],
)
def test_it_trains_on_the_real_images(fashion_mnist, key, metric, low, high):
    """Two epochs of 1,000 images with AdamW are far from chance on all test images."""
    trial = Trial(
        label="a",
        problem=key,
        optimizer="adamw",
        hyperparameters={"lr": 0.003},
        batch_size=32,
        epochs=2,
        eval_every=2,
        train_examples=1_000,
        repeat=0,
    )
    run = run_trial(trial, data=fashion_mnist)
    assert run.outcome is Outcome.OK, run.reason
    assert low < {point.metric: point.value for point in run.points}[metric] < high
