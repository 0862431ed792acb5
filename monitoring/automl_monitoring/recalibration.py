"""Probabilities as the reference bears them out: what share of such rows really was of each class.

softmax(curve(log p) + offsets): one piecewise linear curve for all classes and one offset by class. With a straight
curve that is Platt's scaling of log odds for two classes (Platt 1999), for more classes a temperature with offsets; the
bends put right what is too sure of itself at one end only. It stays close to what the model says where rows are few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automl.data.dataset import Array

SMALLEST = 1e-6  # what a probability of 0 counts as
SPREAD = 0.5  # standard deviation of slope, bends and offsets before a row was seen, around 1, 0 and 0
BENDS = (0.25, 0.5, 0.75)  # quantiles of log p at which the curve may bend
MOST_CELLS = 100_000  # rows × classes that it is learned from


@dataclass(frozen=True)
class Recalibration:
    """`parameters`: the slope of the curve at its start, what each of the `knots` adds to it, and the offset of each
    class but the first. `covariance`: how sure they are, by the normal approximation of the posterior."""

    parameters: Array
    knots: Array
    covariance: Array

    def shares(self, probabilities: Array) -> Array:
        """float64 (rows, classes), each row summing to 1."""
        bends = 1 + len(self.knots)
        curve = _basis(probabilities, self.knots) @ self.parameters[:bends]
        return _softmax(curve + np.concatenate([[0.0], self.parameters[bends:]]))

    def drawn(self, rng: np.random.Generator) -> Recalibration:
        """Another one that the reference bears out about as well."""
        return replace(self, parameters=rng.multivariate_normal(self.parameters, self.covariance, method="eigh"))


def recalibrate(target: Array, probabilities: Array, seed: int = 0) -> Recalibration:
    """The recalibration of the largest posterior probability. `target`: int64 class indices, `probabilities`: float64
    (rows, classes)."""
    from scipy.optimize import minimize

    classes = probabilities.shape[1]
    if len(target) * classes > MOST_CELLS:
        some = np.random.default_rng(seed).choice(len(target), MOST_CELLS // classes, replace=False)
        target, probabilities = target[some], probabilities[some]
    knots = np.unique(np.quantile(_logs(probabilities), BENDS))
    basis, bends = _basis(probabilities, knots), 1 + len(knots)
    truth = np.eye(classes)[target]
    start = np.zeros(bends + classes - 1)
    start[0] = 1.0

    def shares_by(parameters: Array) -> Array:
        return _softmax(basis @ parameters[:bends] + np.concatenate([[0.0], parameters[bends:]]))

    def loss(parameters: Array) -> tuple[float, Array]:
        shares = shares_by(parameters)
        excess, away = shares - truth, parameters - start
        value = -float(np.log(np.maximum(shares[np.arange(len(target)), target], 1e-300)).sum())
        gradient = np.concatenate([np.einsum("nk,nkb->b", excess, basis), excess.sum(axis=0)[1:]])
        return value + float(away @ away) / (2 * SPREAD**2), gradient + away / SPREAD**2

    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Recalibration(found, knots, np.linalg.inv(_information(basis, shares_by(found))))


def _information(basis: Array, shares: Array) -> Array:
    """The curvature of the log posterior: the expected information of the rows, and of the prior."""
    classes, bends = shares.shape[1], basis.shape[2]
    middle = np.einsum("nk,nkb->nb", shares, basis)
    size = bends + classes - 1
    found = np.zeros((size, size))
    found[:bends, :bends] = np.einsum("nk,nkb,nkc->bc", shares, basis, basis, optimize=True) - middle.T @ middle
    found[:bends, bends:] = (np.einsum("nk,nkb->bk", shares, basis) - middle.T @ shares)[:, 1:]
    found[bends:, :bends] = found[:bends, bends:].T
    found[bends:, bends:] = (np.diag(shares.sum(axis=0)) - shares.T @ shares)[1:, 1:]
    return found + np.eye(size) / SPREAD**2


def _logs(probabilities: Array) -> Array:
    return np.log(np.clip(probabilities, SMALLEST, 1.0))


def _basis(probabilities: Array, knots: Array) -> Array:
    """float64 (rows, classes, 1 + knots): log p, and how far it lies above each knot."""
    logs = _logs(probabilities)
    return np.stack([logs, *(np.maximum(logs - knot, 0.0) for knot in knots)], axis=2)


def _softmax(raised: Array) -> Array:
    shares = np.exp(raised - raised.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
