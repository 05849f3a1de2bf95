"""The minimiser on functions whose minimum is known."""

import numpy as np
import pytest
from scipy.optimize import minimize

from reweigh.optimization.lbfgs import minimise_convex


def quadratic(curvatures, at):
    def value_and_gradient(point):
        return float(0.5 * curvatures @ (point - at) ** 2), curvatures * (point - at)

    return value_and_gradient


def test_a_quadratic_function_is_minimised_to_the_tolerance():
    at = np.array([3.0, -1.0, 0.5])
    end = minimise_convex(quadratic(np.array([1.0, 10.0, 0.1]), at), np.zeros(3), tolerance=1e-9, max_iterations=100)
    assert end.is_converged and end.gradient <= 1e-9
    np.testing.assert_allclose(end.point, at, atol=1e-8)


def test_noise_in_the_value_does_not_stop_the_search():
    generator = np.random.default_rng(0)
    exact = quadratic(np.linspace(0.1, 2, 50), np.ones(50))

    def noisy(point):
        value, gradient = exact(point)
        return value + 1e-6 * generator.normal(), gradient

    end = minimise_convex(noisy, np.zeros(50), tolerance=1e-8, max_iterations=200)
    assert end.is_converged and end.evaluations < 2 * end.iterations + 5
    np.testing.assert_allclose(end.point, 1, atol=1e-6)


def test_rounding_error_above_the_tolerance_ends_the_search_at_the_best_point():
    generator = np.random.default_rng(0)
    exact = quadratic(np.linspace(0.5, 2, 20), np.ones(20))

    def noisy(point):
        value, gradient = exact(point)
        return value, gradient + 1e-5 * generator.normal(size=20)

    end = minimise_convex(noisy, np.zeros(20), tolerance=1e-12, max_iterations=1000)
    assert end.iterations < 100 and end.gradient < 1e-4 and not end.is_converged
    np.testing.assert_allclose(end.point, 1, atol=1e-3)


def test_the_limit_of_steps_is_told_from_convergence():
    end = minimise_convex(
        quadratic(np.logspace(-3, 3, 30), np.ones(30)), np.zeros(30), tolerance=1e-12, max_iterations=3
    )
    assert end.iterations == 3 and not end.is_converged


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_any_scale_of_the_start_is_bracketed(scale):
    """log cosh: flat slopes far away, where a step by curvature overshoots; its minimum is at 1."""

    def value_and_gradient(point):
        return float(np.logaddexp(point - 1, 1 - point).sum()), np.tanh(point - 1)

    end = minimise_convex(value_and_gradient, np.full(3, scale), tolerance=1e-8, max_iterations=300)
    np.testing.assert_allclose(end.point, 1, atol=1e-6)


def test_the_minimum_is_that_of_scipy():
    generator = np.random.default_rng(1)
    design, side = generator.normal(size=(60, 8)), generator.integers(2, size=60) * 2.0 - 1

    def value_and_gradient(point):
        margins = side * (design @ point)
        return float(np.logaddexp(0, -margins).mean() + 0.05 * point @ point), (
            -(design.T @ (side / (1 + np.exp(margins)))) / 60 + 0.1 * point
        )

    ours = minimise_convex(value_and_gradient, np.zeros(8), tolerance=1e-9, max_iterations=100)
    theirs = minimize(value_and_gradient, np.zeros(8), jac=True, method="BFGS", options={"gtol": 1e-9})
    largest = np.abs(ours.point - theirs.x).max()
    assert largest < 1e-6, f"largest difference {largest:.1e}"
