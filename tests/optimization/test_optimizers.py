"""What of a network is held back, what its last layer learns, and one step of each optimiser against its definition."""

import pytest
import torch
from torch import nn

from reweigh.errors import ReweighError
from reweigh.optimization.optimizers import OPTIMIZERS, make_optimizer, parameter_groups, set_rate


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
        self.head = nn.Linear(4, 2)
        self.header = nn.Linear(2, 2, bias=False)  # its name only begins like that of the head


def names_by_group(module, groups):
    name_of = {id(parameter): name for name, parameter in module.named_parameters()}
    return {(g["weight_decay"], g["rate_scale"]): {name_of[id(p)] for p in g["params"]} for g in groups}


def test_biases_and_normalisation_are_not_held_back_and_the_head_learns_at_its_own_rate():
    module = Small()
    assert names_by_group(module, parameter_groups(module, weight_decay=0.1, head=("head",), head_rate=10.0)) == {
        (0.1, 1.0): {"backbone.0.weight", "header.weight"},
        (0.0, 1.0): {"backbone.0.bias", "backbone.1.weight", "backbone.1.bias"},
        (0.1, 10.0): {"head.weight"},
        (0.0, 10.0): {"head.bias"},
    }


def test_frozen_parameters_are_left_out_and_tied_ones_are_taken_once():
    module = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    module["b"].weight = module["a"].weight
    module["b"].bias.requires_grad_(False)
    groups = parameter_groups(module, weight_decay=0.1)
    assert sorted(len(group["params"]) for group in groups) == [1, 1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_reaches_each_group_by_its_scale(name):
    module = Small()
    groups = parameter_groups(module, weight_decay=0.1, head=("head",), head_rate=10.0)
    optimizer = make_optimizer(name, groups, rate=0.5, momentum=0.9, weight_decay=0.1)
    assert {(g["rate_scale"], g["lr"]) for g in optimizer.param_groups} == {(1.0, 0.5), (10.0, 5.0)}
    set_rate(optimizer, 0.25)
    assert {(g["rate_scale"], g["lr"]) for g in optimizer.param_groups} == {(1.0, 0.25), (10.0, 2.5)}


def one_step(name, weight, slope, *, rate=0.1, weight_decay=0.0, momentum=0.9):
    parameter = nn.Parameter(torch.tensor(weight))
    groups = [{"params": [parameter], "weight_decay": weight_decay, "rate_scale": 1.0}]
    optimizer = make_optimizer(name, groups, rate=rate, momentum=momentum, weight_decay=weight_decay)
    parameter.grad = torch.tensor(slope)
    optimizer.step()
    return parameter.detach()


def test_one_step_of_each_by_hand():
    w, g = [[3.0, 4.0]], [[0.6, 0.8]]  # lengths 5 and 1
    # SGD, Nesterov: g' = g + .1 w = (.9, 1.2); momentum m = g'; step .1 (g' + .9 m) = .1 * 1.9 g'
    torch.testing.assert_close(one_step("sgd", w, g, weight_decay=0.1), torch.tensor([[3 - 0.171, 4 - 0.228]]))
    # AdamW: w (1 - .1 * .1), then .1 * sign(g) in the first step
    torch.testing.assert_close(one_step("adamw", w, g, weight_decay=0.1), torch.tensor([[2.87, 3.86]]))
    # LARS: ratio .001 |w| / (|g| + .1 |w|) = .005 / 1.5; step .1 * ratio * (g + .1 w)
    expected = torch.tensor(w) - 0.1 * 0.005 / 1.5 * torch.tensor([[0.9, 1.2]])
    torch.testing.assert_close(one_step("lars", w, g, weight_decay=0.1), expected)
    # LAMB: Adam's first update is sign(g) = (1, 1), with .1 w (1.3, 1.4); ratio |w| / |(1.3, 1.4)|
    update = torch.tensor([[1.3, 1.4]])
    expected = torch.tensor(w) - 0.1 * 5 / update.norm() * update
    torch.testing.assert_close(one_step("lamb", w, g, weight_decay=0.1), expected, rtol=1e-4, atol=1e-4)


def test_without_momentum_sgd_is_plain():
    torch.testing.assert_close(one_step("sgd", [[1.0]], [[2.0]], momentum=0.0), torch.tensor([[0.8]]))


def test_an_unknown_optimiser_is_named_with_those_there_are():
    with pytest.raises(ReweighError, match=r"No optimizer named 'adam'.*Did you mean 'adamw'"):
        make_optimizer("adam", [], rate=0.1, momentum=0.9, weight_decay=0.0)
