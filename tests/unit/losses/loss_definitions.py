"""Every loss written down once more, in NumPy, straight from its definition.

Each function takes z (B, C), s (B, C) and its hyperparameters, and returns the scalar loss. z may
be complex: a derivative is then the imaginary part of the loss for an imaginary step, which is
exact to rounding and knows nothing of automatic differentiation. What must carry no gradient
(`stop`) and what is compared is read from the real part.
"""

from fractions import Fraction

import numpy as np


def stop(x):
    return np.real(x)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def nl(x):
    return -np.log(x)


def costs(z):
    """-log p and -log(1 - p), for logits of moderate size."""
    return np.log(1 + np.exp(-z)), np.log(1 + np.exp(z))


def mean_of(s, observed_positive, observed_negative, unobserved):
    costs = np.where(s == 1, observed_positive, np.where(s == -1, observed_negative, unobserved))
    return costs.sum() / s.size


def an(z, s, **_):
    a, b = costs(z)
    return mean_of(s, a, b, b)


bce = an


def an_ls(z, s, smoothing=0.1, **_):
    a, b = costs(z)
    e = smoothing
    smoothed = (1 - e) * b + e * a
    return mean_of(s, (1 - e) * a + e * b, smoothed, smoothed)


bce_ls = an_ls


def n_ls(z, s, smoothing=0.1, **_):
    a, b = costs(z)
    return mean_of(s, a, b, (1 - smoothing) * b + smoothing * a)


def wan(z, s, **_):
    a, b = costs(z)
    return mean_of(s, a, b, b / (s.shape[1] - 1))


def dw(z, s, weight, **_):
    a, b = costs(z)
    return mean_of(s, a, b, weight * b)


def iu(z, s, **_):
    a, b = costs(z)
    return mean_of(s, a, b, 0)


iun = iu


def regulariser(p, expected):
    return (p.sum() / p.shape[0] - expected) ** 2 / p.shape[1] ** 2


def epr(z, s, expected_positives, **_):
    a, b = costs(z)
    return mean_of(s, a, b, 0) + regulariser(sigmoid(z), expected_positives)


def epr_gr(z, s, **_):
    a, b = costs(z)
    return mean_of(s, a, b, 0)


def entropy(z):
    a, b = costs(z)
    return sigmoid(z) * a + sigmoid(-z) * b


def em(z, s, alpha, **_):
    return mean_of(s, *costs(z), -alpha * entropy(z))


def entmin(z, s, alpha, **_):
    return mean_of(s, *costs(z), alpha * entropy(z))


def em_apl(z, s, alpha, beta, pseudo_negative, index, **_):
    r = pseudo_negative[index]
    a, b = costs(z)
    return mean_of(s, a, b, np.where(r > 0, beta * (r * a + (1 - r) * b), -alpha * entropy(z)))


def focal(z, s, gamma=2, detach_weight=True, **_):
    a, b = costs(z)
    w = stop(z) if detach_weight else z
    negative = sigmoid(w) ** gamma * b
    return mean_of(s, sigmoid(-w) ** gamma * a, negative, negative)


def asl(z, s, gamma_neg=4, gamma_pos=0, margin=0.05, detach_weight=True, **_):
    def shifted(p):
        return np.where(np.real(p) > margin, p - margin, 0)

    w = stop(z) if detach_weight else z
    below = np.real(sigmoid(z)) <= margin
    # 0 to the power 0 is 1; the base is replaced where it is 0, and the entry with it.
    base = np.where(below, 1, shifted(sigmoid(w)))
    other = np.where(below, 0, base**gamma_neg * nl(1 - shifted(sigmoid(z))))
    return mean_of(s, sigmoid(-w) ** gamma_pos * costs(z)[0], other, other)


def hill(z, s, lam=1.5, margin=1.0, gamma=2.0, **_):
    pm, p = sigmoid(z - margin), sigmoid(z)
    return mean_of(s, (1 - pm) ** gamma * nl(pm), nl(1 - p), (lam - p) * p**2)


def hill_gr(z, s, **_):
    p = sigmoid(z)
    return mean_of(s, nl(p), nl(1 - p), (1.5 - p) * p**2)


def splc(z, s, epoch, tau=0.6, margin=1.0, gamma=2.0, change_epoch=2, **_):
    p, pm = sigmoid(z), sigmoid(z - margin)
    corrected = (s == 0) & (np.real(p) > tau) & (epoch >= change_epoch)
    negative = p**gamma * nl(1 - p)
    other = np.where(corrected, (1 - p) ** gamma * nl(p), negative)
    return mean_of(s, (1 - pm) ** gamma * nl(pm), negative, other)


def role(z, s, expected_positives, estimator, index, **_):
    g = estimator[index]
    p, q = sigmoid(z), sigmoid(g)

    def cross(x, t):
        a, b = costs(x)
        return t * a + (1 - t) * b

    return (
        0.5 * np.where(s == 1, costs(z)[0] + costs(g)[0], 0).sum() / s.size
        + 0.5 * (cross(z, stop(q)) + cross(g, stop(p))).sum() / s.size
        + 0.5 * (regulariser(p, expected_positives) + regulariser(q, expected_positives))
    )


def large_mask(z, s, count):
    """The entries whose loss is at least the count-th largest, by sorting."""
    u = np.where(s == 0, costs(np.real(z))[1], 0)
    if count == 0:
        return np.zeros(s.shape, dtype=bool)
    threshold = np.sort(u.ravel())[::-1][count - 1]
    return (s == 0) & (u >= threshold)


def large_count(entries, steps, delta_rel):
    """ceil(entries * steps * delta_rel / 100), delta_rel read as a decimal, at most all entries."""
    exact = Fraction(str(delta_rel)) * entries * steps / 100
    return min(entries, -(-exact.numerator // exact.denominator))


def ll_r(z, s, epoch, delta_rel, **_):
    a, b = costs(z)
    large = large_mask(z, s, large_count(s.size, epoch - 1, delta_rel))
    return mean_of(s, a, b, np.where(large, 0, b))


def ll_ct(z, s, epoch, delta_rel, **_):
    a, b = costs(z)
    large = large_mask(z, s, large_count(s.size, epoch - 1, delta_rel))
    return mean_of(s, a, b, np.where(large, a, b))


def ll_cp(z, s, epoch, delta_rel, corrected, index, **_):
    a, b = costs(z)
    s = np.where(corrected[index], 1, s)
    large = large_mask(z, s, large_count(s.size, min(epoch - 1, 1), delta_rel))
    return mean_of(s, a, b, np.where(large, a, b))


def gr_beta(epoch, total_epochs, beta, n):
    w0, w_end, b0, b_end = beta
    part = max(epoch - n - 1, 0) / (total_epochs - n)
    return w0 + (w_end - w0) * part, b0 + (b_end - b0) * part


def gr_alpha(epoch, total_epochs, alpha, n):
    mu0, sigma0, mu_end, sigma_end = alpha
    part = max(epoch - n, 0) / (total_epochs - n)
    sigma = sigma0 if sigma0 == sigma_end else sigma0 + (sigma_end - sigma0) * part
    return mu0 + (mu_end - mu0) * part, sigma


def gr_mean(z, s, k, v, q2, q3):
    p, other = sigmoid(z), sigmoid(-z)
    l2 = nl(p) if q2 == 0 else (1 - p**q2) / q2
    l3 = nl(other) if q3 == 0 else (1 - other**q3) / q3
    return mean_of(s, nl(p), nl(other), v * (k * l2 + (1 - k) * l3))


def gr(z, s, epoch, total_epochs, beta, alpha, q2, q3, linear_init=0, **_):
    w, b = gr_beta(epoch, total_epochs, beta, linear_init)
    mu, sigma = gr_alpha(epoch, total_epochs, alpha, linear_init)
    p = stop(sigmoid(z))
    k = 1 / (1 + np.exp(-(w * p + b)))
    v = np.exp(-((p - mu) ** 2) / (2 * sigma**2))
    return gr_mean(z, s, k, v, q2, q3)


def gr_rational_k(z, s, epoch, total_epochs, beta, alpha, q2, q3, linear_init=0, **_):
    w, b = gr_beta(epoch, total_epochs, beta, linear_init)
    mu, sigma = gr_alpha(epoch, total_epochs, alpha, linear_init)
    p = stop(sigmoid(z))
    k = np.clip((1 - w) * p / (1 - w * p) + b, 0, 1)
    v = np.exp(-((p - mu) ** 2) / (2 * sigma**2))
    return gr_mean(z, s, k, v, q2, q3)


def gr_learned_k(z, s, epoch, total_epochs, alpha, q2, q3, slope_and_offset, linear_init=0, **_):
    mu, sigma = gr_alpha(epoch, total_epochs, alpha, linear_init)
    p = stop(sigmoid(z))
    k = sigmoid(slope_and_offset[0] * p + slope_and_offset[1])
    v = np.exp(-((p - mu) ** 2) / (2 * sigma**2))
    return gr_mean(z, s, k, v, q2, q3)


def gr_running_v(z, s, epoch, total_epochs, beta, q2, q3, mu, sigma, linear_init=0, rate=0.1, **_):
    w, b = gr_beta(epoch, total_epochs, beta, linear_init)
    p = stop(sigmoid(z))
    deviation = p.std(ddof=1) if p.size > 1 else 0.0
    mu = (1 - rate) * mu + rate * p.mean()
    sigma = (1 - rate) * sigma + rate * deviation
    k = 1 / (1 + np.exp(-(w * p + b)))
    v = np.exp(-((p - mu) ** 2) / (2 * sigma**2))
    return gr_mean(z, s, k, v, q2, q3)


def gpr(z, s, regularisation, expected_positives, **others):
    return gr(z, s, **others) + regularisation * regulariser(sigmoid(z), expected_positives)


def known_costs(z, s):
    """-log p at known positives, -log(1 - p) at known negatives, 0 elsewhere."""
    a, b = costs(z)
    return np.where(s == 1, a, np.where(s == -1, b, 0))


def bce_known(z, s, **_):
    return known_costs(z, s).sum() / max(1, np.count_nonzero(s))


def partial_bce(z, s, alpha=-4.45, beta=5.45, gamma=1, **_):
    images = [
        (alpha * (np.count_nonzero(known) / len(known)) ** gamma + beta) / len(known) * cost.sum()
        for cost, known in zip(known_costs(z, s), s, strict=True)
    ]
    return sum(images) / len(images)


def partial_bce_global(z, s, known_proportion, alpha=-4.45, beta=5.45, gamma=1, **_):
    images = [
        cost.sum() / max(1, np.count_nonzero(known))
        for cost, known in zip(known_costs(z, s), s, strict=True)
    ]
    return (alpha * known_proportion**gamma + beta) * sum(images) / len(images)


def ranking(z, s, **_):
    """The pairs of Cole's loop, one by one."""
    p = sigmoid(z)
    total = costs(z)[1][s == -1].sum()
    for image, known in enumerate(s):
        for i in np.flatnonzero(known == 1):
            for j in np.flatnonzero(known == 0):
                total = total + 1 - p[image, i] + p[image, j]
    return total / s.size


def p_asl(
    z, s, gamma_pos=0, gamma_neg=1, gamma_unannotated=2, alpha_pos=1, alpha_neg=1,
    alpha_unannotated=1, clip=0, mode="negative", likelihood_topk=5, prior=None,
    prior_threshold=0.05, **_,
):  # fmt: skip
    """Entry by entry, with x as the released code has it."""
    kinds = {
        1: (gamma_pos, alpha_pos), -1: (gamma_neg, alpha_neg), 0: (gamma_unannotated, alpha_unannotated),
    }  # fmt: skip
    open_entries = [place for place in np.ndindex(s.shape) if s[place] == 0]
    highest_first = sorted(open_entries, key=lambda place: -np.real(z[place]))
    likely = set(highest_first[: likelihood_topk * len(s)])
    total = 0
    for place in np.ndindex(s.shape):
        p = sigmoid(z[place])
        x = p if s[place] == 1 else 1 - p + clip
        if np.real(x) > 1:
            x = 1
        gamma, alpha = kinds[s[place]]
        known = np.count_nonzero(s[place[0]])
        weight = {
            "negative": 1,
            "ignore": s[place] != 0,
            "ignore_normalize_classes": (1 + 1 / (1 + known)) * (s[place] != 0),
            "selective": s[place] != 0
            or not (place in likely or (prior is not None and prior[place[1]] > prior_threshold)),
        }[mode]
        total = total + weight * alpha * stop(1 - x) ** gamma * nl(x)
    return total / s.size


def two_way(z, s, temperature_pos=4, temperature_neg=1, unobserved="negative", **_):
    """Group by group: the classes of the batch, then its images."""

    def groups(z, s):
        found = []
        for logits, labels in zip(z, s, strict=True):
            positives = logits[labels == 1]
            negatives = logits[(labels == -1) | ((labels == 0) & (unobserved == "negative"))]
            if len(positives) and len(negatives):
                a = temperature_pos * np.log(np.exp(-positives / temperature_pos).sum())
                n = temperature_neg * np.log(np.exp(negatives / temperature_neg).sum())
                found.append(np.log(1 + np.exp(a + n)))
            elif len(positives):
                found.append(0)
        return sum(found) / len(found) if found else 0

    return groups(z.T, s.T) + groups(z, s)


def vpu(z, s, gamma, alpha, **_):
    total = 0
    for logits, labels in zip(z.T, s.T, strict=True):
        real = np.real(logits)
        t = min(alpha * np.sqrt(((real - real.mean()) ** 2).mean()), 1) if np.ptp(real) else 1
        q = sigmoid(logits / t)
        total = total + stop(q.mean()) ** gamma * np.log(q.mean())
        if (labels == 1).any():
            total = total - np.log(q[labels == 1]).mean()
    return total


def gradient(function, z):
    """The derivative of the loss with respect to every entry of z, by imaginary steps."""
    step = 1e-30
    result = np.empty(z.shape)
    for place in np.ndindex(z.shape):
        moved = z.astype(complex)
        moved[place] += 1j * step
        result[place] = np.imag(function(moved)) / step
    return result
