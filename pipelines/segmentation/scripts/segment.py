#!/usr/bin/env python3
"""The steps of the pipeline: clean, merge, start, fit, score, infer, stitch, draw.

The model is a logistic regression on four features of a voxel. The features are sums of whole numbers over a small
neighbourhood, so that a tile with a margin of `REACH` gives to the bit what the whole volume gives.
"""
import json
import sys

import numpy as np

SLICE = (96, 96)
REACH = 3


def clean(image, labels, out):
    """Raw bytes of one shard -> an array (2, slices, y, x): image and labels."""
    layers = [np.fromfile(path, np.uint8).reshape(-1, *SLICE) for path in (image, labels)]
    save(out, np.stack(layers))


def merge(out, *parts):
    """Arrays of neighbouring slices -> one array."""
    save(out, np.concatenate([np.load(part) for part in parts], axis=1))


def features(image):
    """(z, y, x) -> (z, y, x, 4), each in [0, 1]: the voxel, its neighbourhoods of 3 and 7 in the slice, a constant."""
    padded = np.pad(image.astype(np.int64), ((0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
    rows, columns = image.shape[1:]

    def around(reach):
        size = range(REACH - reach, REACH + reach + 1)
        total = sum(padded[:, dy : dy + rows, dx : dx + columns] for dy in size for dx in size)
        return total / (255 * (2 * reach + 1) ** 2)

    return np.stack([image / 255, around(1), around(3), np.ones(image.shape)], axis=-1)


def chance(weights, image):
    return 1 / (1 + np.exp(-sum(w * layer for w, layer in zip(weights, np.moveaxis(features(image), -1, 0)))))


def start(out):
    write(out, [0.0, 0.0, 0.0, 0.0])


def fit(model, volume, out, steps):
    """A few steps of Newton's method from the given model, on one block."""
    image, labels = np.load(volume)
    x, y = features(image).reshape(-1, 4), labels.reshape(-1)
    weights = np.array(read(model))
    for _ in range(int(steps)):
        p = 1 / (1 + np.exp(-(x @ weights)))
        bend = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(4)
        weights = weights + 0.35 * np.linalg.solve(bend, x.T @ (y - p))
    write(out, [round(float(w), 9) for w in weights])


def overlap(mask, labels):
    """Dice's coefficient."""
    mask, labels = mask.astype(bool), labels.astype(bool)
    return 2 * int((mask & labels).sum()) / max(1, int(mask.sum()) + int(labels.sum()))


def score(model, volume):
    """Prints the overlap on a block."""
    image, labels = np.load(volume)
    print(f"{overlap(chance(read(model), image) > 0.5, labels):.6f}")


def infer(model, volume, out, y=None, x=None, size=None):
    """Chances of the whole volume, or of the tile at (y, x), looked at with its margin."""
    image = np.load(volume)[0]
    if y is None:
        return save(out, chance(read(model), image))
    y, x, size = int(y), int(x), int(size)
    top, left = max(0, y - REACH), max(0, x - REACH)
    seen = image[:, top : y + size + REACH, left : x + size + REACH]
    save(out, chance(read(model), seen)[:, y - top : y - top + size, x - left : x - left + size])


def stitch(out, size, *tiles):
    """Tiles in the order of their rows and columns -> the whole."""
    across = -(-SLICE[1] // int(size))
    rows = [tiles[i : i + across] for i in range(0, len(tiles), across)]
    save(out, np.concatenate([np.concatenate([np.load(tile) for tile in row], axis=2) for row in rows], axis=1))


def judge(whole, volume):
    """Prints the overlap of the stitched chances with the labels."""
    print(f"{overlap(np.load(whole) > 0.5, np.load(volume)[1]):.6f}")


def draw(whole, volume, out, slice_number):
    """One slice: image, labels, chances, side by side."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    image, labels = np.load(volume)[:, int(slice_number)]
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
    for panel, title, data in zip(panels, ("image", "labels", "found"), (image, labels, np.load(whole)[int(slice_number)])):
        panel.imshow(data, cmap="gray" if title == "image" else "magma", interpolation="nearest")
        panel.set_title(title)
        panel.set_axis_off()
    figure.savefig(out, metadata={"Software": None})


def save(path, array):
    with open(path, "wb") as file:
        np.save(file, array)


def read(path):
    with open(path) as file:
        return json.load(file)


def write(path, value):
    with open(path, "w") as file:
        json.dump(value, file)


steps = {f.__name__: f for f in (clean, merge, start, fit, score, infer, stitch, judge, draw)}
steps[sys.argv[1]](*sys.argv[2:])
