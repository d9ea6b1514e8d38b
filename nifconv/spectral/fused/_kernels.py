"""The fused kernels: y = R_m^T (K * (R_m x R_n^T)) R_n for every plane, and its gradients, on the chip.

R are the transforms of `_packing`, `*` its product of bicomplex numbers. Products of matrices run in fp16 with float32
sums: bf16 would lose a plane's detail beside its mean. Each plane of x, dy and K is scaled by a power of two to at most
2 in magnitude, so that fp16 neither overflows nor loses small inputs. With EXACT each factor is the sum of two fp16
numbers, three products of which give float32's accuracy.

Rows of slots come in blocks of 16, eight cosines before their eight sines, and columns as cosine, sine, cosine, ...: in
the registers of a tensor core's result, the four slots of a pair (k, l) then belong to one thread, and taking them
apart moves nothing.
"""

# Triton's functions have no types, and its constants are in capitals.
# mypy: allow-untyped-defs
# ruff: noqa: E741, N803, N806

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _dot(a, b, EXACT: tl.constexpr):
    """Product of two matrices, each as (rounded to fp16, the rest)."""
    if EXACT:
        small = tl.dot(a[0], b[1], tl.dot(a[1], b[0]))
        return tl.dot(a[0], b[0], small)
    return tl.dot(a[0], b[0])


@triton.jit
def _rounded(a, EXACT: tl.constexpr):
    high = a.to(tl.float16)
    if EXACT:
        return high, (a - high.to(tl.float32)).to(tl.float16)
    return high, high  # the second is never read


@triton.jit
def _transposed(a):
    return tl.trans(a[0]), tl.trans(a[1])


@triton.jit
def _matrix(at, SIDE: tl.constexpr, PLANES: tl.constexpr, FLAT: tl.constexpr, EXACT: tl.constexpr):
    """A transform, (slots, pixels), stored as two fp16 matrices; once for each plane where there are several."""
    i = tl.arange(0, SIDE)
    at += i[:, None] * SIDE + i[None, :]
    high = tl.load(at)
    low = tl.load(at + SIDE * SIDE) if EXACT else high
    if not FLAT:
        high = tl.broadcast_to(high[None], (PLANES, SIDE, SIDE))
        low = tl.broadcast_to(low[None], (PLANES, SIDE, SIDE))
    return high, low


@triton.jit
def _power_of_two(largest):
    """2^e and 2^-e for the largest 2^e not above `largest`, by the bits of its exponent."""
    exponent = tl.minimum(tl.maximum(largest.to(tl.int32, bitcast=True) >> 23, 1), 253)
    return (exponent << 23).to(tl.float32, bitcast=True), ((254 - exponent) << 23).to(tl.float32, bitcast=True)


@triton.jit
def _normalized(a):
    """Planes with the largest magnitude in [1, 2), and the power of two that each has lost, (planes, 1, 1)."""
    up, down = _power_of_two(tl.max(tl.max(tl.abs(a), 2, keep_dims=True), 1, keep_dims=True))
    return a * down, up


@triton.jit
def _pixels(
    samples, channel, batch, channels, M: tl.constexpr, N: tl.constexpr, LAST: tl.constexpr,
    MT: tl.constexpr, NT: tl.constexpr,
):  # fmt: skip
    """Offsets of the pixels of planes, (planes, MT, NT), and which exist; LAST: channels last in memory."""
    rows, columns = tl.arange(0, MT)[None, :, None], tl.arange(0, NT)[None, None, :]
    within = rows * N + columns
    within = within * channels + channel if LAST else within + channel * (M * N)
    start = samples.to(tl.int64) * (channels * (M * N))
    inside = (rows < M) & (columns < N) & (samples < batch)[:, None, None]
    return start[:, None, None] + within, inside


@triton.jit
def _pairs(MH: tl.constexpr, NH: tl.constexpr, MT: tl.constexpr, NT: tl.constexpr):
    """Offsets of one coefficient of every pair, (1, MT / 16, 8, NT / 2), which exist, and which have k = 0, l = 0."""
    k = tl.arange(0, MT // 16)[None, :, None, None] * 8 + tl.arange(0, 8)[None, None, :, None]
    l = tl.arange(0, NT // 2)[None, None, None, :]
    return k * NH + l, (k < MH) & (l < NH), k == 0, l == 0


@triton.jit
def _load_four(at, inside, STRIDE: tl.constexpr):
    a = tl.load(at, mask=inside, other=0.0)
    b = tl.load(at + STRIDE, mask=inside, other=0.0)
    c = tl.load(at + 2 * STRIDE, mask=inside, other=0.0)
    d = tl.load(at + 3 * STRIDE, mask=inside, other=0.0)
    return a, b, c, d


@triton.jit
def _scale_of_four(four, SHRINK: tl.constexpr):
    """The common factor that brings the coefficients into range, and the factor that undoes it in the result."""
    first = tl.maximum(tl.abs(four[0]), tl.abs(four[1]))
    up, down = _power_of_two(tl.max(tl.maximum(first, tl.maximum(tl.abs(four[2]), tl.abs(four[3])))))
    return down * SHRINK, up / SHRINK


@triton.jit
def _to_slots(
    a, rows, columns, MT: tl.constexpr, NT: tl.constexpr, PLANES: tl.constexpr, FLAT: tl.constexpr, EXACT: tl.constexpr
):
    """The four slots of every pair, each (planes, MT / 16, 8, NT / 2)."""
    if FLAT:
        a = tl.reshape(a, (MT, NT))
    half = _dot(rows, _rounded(a, EXACT), EXACT)
    z = _dot(_rounded(half, EXACT), _transposed(columns), EXACT)
    # (planes, blocks of rows, cosine or sine, 8, pairs of columns, cosine or sine); split takes the last axis apart
    z = tl.permute(tl.reshape(z, (PLANES, MT // 16, 2, 8, NT // 2, 2)), (0, 1, 3, 4, 5, 2))
    cosines, sines = tl.split(z)
    cc, cs = tl.split(cosines)
    sc, ss = tl.split(sines)
    return cc, cs, sc, ss


@triton.jit
def _to_pixels(
    four,
    rows,
    columns,
    MT: tl.constexpr,
    NT: tl.constexpr,
    PLANES: tl.constexpr,
    FLAT: tl.constexpr,
    EXACT: tl.constexpr,
):
    z = tl.join(tl.join(four[0], four[1]), tl.join(four[2], four[3]))  # (planes, MT / 16, 8, NT / 2, column, row)
    z = tl.permute(z, (0, 1, 5, 2, 3, 4))
    z = tl.reshape(z, (MT, NT)) if FLAT else tl.reshape(z, (PLANES, MT, NT))
    half = _dot(_rounded(z, EXACT), columns, EXACT)
    return tl.reshape(_dot(_transposed(rows), _rounded(half, EXACT), EXACT), (PLANES, MT, NT))


@triton.jit
def _multiply(slots, coefficients, k0, l0, SIGN: tl.constexpr):
    """The bicomplex product; SIGN = -1 for its adjoint, the product with conj(H). See `_packing` for k = 0, l = 0."""
    cc, cs, sc, ss = slots
    re_a, im_a, re_e, im_e = coefficients
    cs_cs = tl.where(l0, im_a, re_a)
    sc_sc = tl.where(k0, re_e, re_a)
    ss_ss = tl.where(k0, tl.where(l0, im_e, re_e), cs_cs)
    by_column = SIGN * tl.where(l0, 0.0, im_a)
    by_column_of_sines = SIGN * tl.where(l0, 0.0, tl.where(k0, im_e, im_a))
    by_row = SIGN * tl.where(k0, 0.0, re_e)
    by_row_of_sines = SIGN * tl.where(k0, 0.0, tl.where(l0, im_e, re_e))
    by_both = tl.where(k0 | l0, 0.0, im_e)
    return (
        re_a * cc + by_column * cs - by_row * sc - by_both * ss,
        cs_cs * cs - by_column * cc + by_both * sc - by_row_of_sines * ss,
        sc_sc * sc + by_column_of_sines * ss + by_row * cc + by_both * cs,
        ss_ss * ss - by_column_of_sines * sc + by_row_of_sines * cs - by_both * cc,
    )


@triton.jit
def _multiply_gradient(slots, grads, k0, l0):
    """The gradient of `_multiply` with respect to its coefficients: each gathers where it was used."""
    cc, cs, sc, ss = slots
    gcc, gcs, gsc, gss = grads
    cs_cs = cs * gcs
    sc_sc = sc * gsc
    ss_ss = ss * gss
    by_column = cs * gcc - cc * gcs
    by_column_of_sines = ss * gsc - sc * gss
    by_row = cc * gsc - sc * gcc
    by_row_of_sines = cs * gss - ss * gcs
    by_both = cs * gsc + sc * gcs - ss * gcc - cc * gss
    re_a = cc * gcc + tl.where(l0, 0.0, cs_cs) + tl.where(k0, 0.0, sc_sc) + tl.where(k0 | l0, 0.0, ss_ss)
    im_a = tl.where(l0, cs_cs, by_column) + tl.where(k0, 0.0, tl.where(l0, ss_ss, by_column_of_sines))
    re_e = tl.where(k0, sc_sc, by_row) + tl.where(l0, 0.0, tl.where(k0, ss_ss, by_row_of_sines))
    im_e = tl.where(k0, tl.where(l0, ss_ss, by_column_of_sines), tl.where(l0, by_row_of_sines, by_both))
    return re_a, im_a, re_e, im_e


@triton.jit(do_not_specialize=["batch", "steps"])
def product(
    x, y, rows, columns, coefficients, batch, channels, steps,
    M: tl.constexpr, N: tl.constexpr, XM: tl.constexpr, XN: tl.constexpr, YM: tl.constexpr, YN: tl.constexpr,
    SHRINK: tl.constexpr, MULTIPLIER: tl.constexpr, LAST: tl.constexpr, EXACT: tl.constexpr,
    MT: tl.constexpr, NT: tl.constexpr, PLANES: tl.constexpr, FLAT: tl.constexpr,
):  # fmt: skip
    """Convolves `steps * PLANES` samples of one output channel, the program's, on a grid of (M, N) pixels.

    Args:
        x: (batch, channels, XM, XN), zero on the rest of the grid.
        y: (batch, channels * MULTIPLIER, YM, YN).
        rows, columns: transforms, (2, MT, MT) and (2, NT, NT): fp16 and the rest.
        coefficients: (channels * MULTIPLIER, 4, ceil(M / 2), ceil(N / 2)), float32.
        MT, NT: the tile, powers of two that hold the grid.
    """
    MH: tl.constexpr = (M + 1) // 2
    NH: tl.constexpr = (N + 1) // 2
    channel = tl.program_id(0)
    pairs, exist, k0, l0 = _pairs(MH, NH, MT, NT)
    at = coefficients + channel * (4 * MH * NH) + pairs
    k_down, k_up = _scale_of_four(_load_four(at, exist, MH * NH), SHRINK)
    # Transforms and coefficients come from the cache in every step: held in registers, they leave no room for planes.
    for step in tl.range(0, steps, disable_licm=True):
        r = _matrix(rows, MT, PLANES, FLAT, EXACT)
        c = _matrix(columns, NT, PLANES, FLAT, EXACT)
        samples = (tl.program_id(1) * steps + step) * PLANES + tl.arange(0, PLANES)
        here, inside = _pixels(samples, channel // MULTIPLIER, batch, channels, XM, XN, LAST, MT, NT)
        a, up = _normalized(tl.load(x + here, mask=inside, other=0.0).to(tl.float32))
        slots = _to_slots(a, r, c, MT, NT, PLANES, FLAT, EXACT)
        k = _load_four(at, exist, MH * NH)
        slots = _multiply(slots, (k[0] * k_down, k[1] * k_down, k[2] * k_down, k[3] * k_down), k0, l0, 1)
        out = _to_pixels(slots, r, c, MT, NT, PLANES, FLAT, EXACT) * (up * k_up)
        here, inside = _pixels(samples, channel, batch, channels * MULTIPLIER, YM, YN, LAST, MT, NT)
        tl.store(y + here, out.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["batch", "steps"])
def gradients(
    x, dy, dx, partial, rows, columns, coefficients, batch, channels, steps,
    M: tl.constexpr, N: tl.constexpr, XM: tl.constexpr, XN: tl.constexpr, YM: tl.constexpr, YN: tl.constexpr,
    SHRINK: tl.constexpr, MULTIPLIER: tl.constexpr, LAST: tl.constexpr, EXACT: tl.constexpr,
    MT: tl.constexpr, NT: tl.constexpr, PLANES: tl.constexpr, FLAT: tl.constexpr, WANTS_X: tl.constexpr,
):  # fmt: skip
    """The gradients of `product`; x and dy are read once.

    Args:
        x, dy, rows, columns, coefficients: as for `product`, with dy in the shape of y.
        dx: gradient with respect to x, from this output channel alone, (batch, channels * MULTIPLIER, XM, XN).
        partial: gradient with respect to the coefficients, from this program's samples alone, (programs of a channel,
            *coefficients.shape). Adding them up in their order gives the same number every time.
    """
    MH: tl.constexpr = (M + 1) // 2
    NH: tl.constexpr = (N + 1) // 2
    channel = tl.program_id(0)
    pairs, exist, k0, l0 = _pairs(MH, NH, MT, NT)
    at = coefficients + channel * (4 * MH * NH) + pairs
    if WANTS_X:
        k_down, k_up = _scale_of_four(_load_four(at, exist, MH * NH), SHRINK)
    re_a = tl.zeros((PLANES, MT // 16, 8, NT // 2), tl.float32)
    im_a, re_e, im_e = re_a, re_a, re_a
    for step in tl.range(0, steps, disable_licm=True):
        r = _matrix(rows, MT, PLANES, FLAT, EXACT)
        c = _matrix(columns, NT, PLANES, FLAT, EXACT)
        samples = (tl.program_id(1) * steps + step) * PLANES + tl.arange(0, PLANES)
        here, inside = _pixels(samples, channel, batch, channels * MULTIPLIER, YM, YN, LAST, MT, NT)
        a, g_up = _normalized(tl.load(dy + here, mask=inside, other=0.0).to(tl.float32))
        grads = _to_slots(a, r, c, MT, NT, PLANES, FLAT, EXACT)
        here, inside = _pixels(samples, channel // MULTIPLIER, batch, channels, XM, XN, LAST, MT, NT)
        a, x_up = _normalized(tl.load(x + here, mask=inside, other=0.0).to(tl.float32))
        slots = _to_slots(a, r, c, MT, NT, PLANES, FLAT, EXACT)
        scale = tl.expand_dims(x_up * g_up, 3)
        by_k = _multiply_gradient(slots, grads, k0, l0)
        re_a += by_k[0] * scale
        im_a += by_k[1] * scale
        re_e += by_k[2] * scale
        im_e += by_k[3] * scale
        if WANTS_X:
            k = _load_four(at, exist, MH * NH)
            grads = _multiply(grads, (k[0] * k_down, k[1] * k_down, k[2] * k_down, k[3] * k_down), k0, l0, -1)
            out = _to_pixels(grads, r, c, MT, NT, PLANES, FLAT, EXACT) * (g_up * k_up)
            here, inside = _pixels(samples, channel, batch, channels * MULTIPLIER, XM, XN, LAST, MT, NT)
            tl.store(dx + here, out.to(dx.dtype.element_ty), mask=inside)
    at = partial + (tl.program_id(1) * tl.num_programs(0) + channel) * (4 * MH * NH) + pairs
    exist = tl.broadcast_to(exist, (1, MT // 16, 8, NT // 2))
    tl.store(at, tl.sum(re_a, 0, keep_dims=True), mask=exist)
    tl.store(at + MH * NH, tl.sum(im_a, 0, keep_dims=True), mask=exist)
    tl.store(at + 2 * MH * NH, tl.sum(re_e, 0, keep_dims=True), mask=exist)
    tl.store(at + 3 * MH * NH, tl.sum(im_e, 0, keep_dims=True), mask=exist)
