"""Probabilities of categories: scaling by a temperature, and combining several models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Apply a temperature to probabilities: p^(1 / temperature), normalised to sum to 1; the order stays the same.

    For a softmax, this divides the logits (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    Parameters
    ----------
    probabilities
        (..., K), each row sums to 1.
    temperature
        Above 1, they become less certain; below 1, more certain.

    Returns
    -------
    numpy.ndarray
        (..., K) float64; unchanged if the temperature is 1.
    """
    if temperature == 1:
        return np.asarray(probabilities)
    p = np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny)
    if p.shape[-1] == 0:
        return p
    logits = np.log(p) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def mixed(models: Sequence[np.ndarray], weights: Sequence[float] | None = None, *, vote: bool = False) -> np.ndarray:
    """Combine the probabilities of several models for the same cells.

    Parameters
    ----------
    models
        For each model (N, K), rows that sum to 1; a row of NaN if a model has no result for a cell.
    weights
        Weight of each model; equal by default.
    vote
        Each model votes with its weight for its most probable category; else the weighted mean of the probabilities is taken.

    Returns
    -------
    numpy.ndarray
        (N, K) float64; NaN if no model has a result.
    """
    p = np.stack([np.asarray(m, np.float64) for m in models])
    w = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    if len(w) != len(p) or (w < 0).any() or w.sum() <= 0:
        raise ValueError(f"The weights must be {len(p)} numbers of 0 or more, not all 0; got {w.tolist()}.")
    says = np.asarray(~np.isnan(p).any(axis=2))
    p = np.where(says[..., None], p, 0.0)
    if vote:
        p = np.eye(p.shape[2])[p.argmax(axis=2)]
    each = w[:, None] * says
    total = each.sum(axis=0)
    out = (each[..., None] * p).sum(axis=0)
    means: np.ndarray = np.divide(out, total[:, None], out=np.full_like(out, np.nan), where=total[:, None] > 0)
    return means
