#!/usr/bin/env python3
"""Makes the volume that the pipeline segments and serves its shards over HTTP, as a microscope's archive would.

    scripts/serve.py [--port 8000] [--sheet]

The volume is 24 slices of 96 x 96 voxels, one byte each: bright bodies in a dark, noisy medium. It is made by whole
numbers alone, so that the checksums of `shards.csv` hold with every version of numpy. `--sheet` prints that file.
"""
import argparse
import hashlib
import http.server
import random

import numpy as np

SHAPE = (24, 96, 96)
SLICES = 4  # of a shard
GROUP = 2  # shards of a group


def volume():
    """The image and its labels, both as bytes."""
    dice = random.Random(2021)
    z, y, x = np.indices(SHAPE, dtype=np.int64)
    labels = np.zeros(SHAPE, bool)
    for _ in range(26):
        cz, cy, cx = dice.randrange(24), dice.randrange(96), dice.randrange(96)
        rz, ry, rx = dice.randrange(3, 7), dice.randrange(6, 14), dice.randrange(6, 14)
        labels |= ((z - cz) * ry * rx) ** 2 + ((y - cy) * rz * rx) ** 2 + ((x - cx) * rz * ry) ** 2 < (rz * ry * rx) ** 2
    # Marsaglia's xorshift over the voxel's number: the same noise everywhere.
    noise = (np.arange(labels.size, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(1)) & np.uint64(0xFFFFFFFF)
    for shift, left in ((13, True), (17, False), (5, True)):
        step = np.uint64(shift)
        noise ^= ((noise << step) & np.uint64(0xFFFFFFFF)) if left else noise >> step
    image = 90 + 45 * labels.astype(np.int64) + (noise.reshape(SHAPE) % np.uint64(100)).astype(np.int64) - 50
    return image.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)


def shards():
    """Path -> bytes, and the rows of the sheet."""
    image, labels = volume()
    files, rows = {}, []
    for number, first in enumerate(range(0, SHAPE[0], SLICES)):
        row = [f"s{number}", "abc"[number // GROUP]]
        for kind, data in (("image", image), ("labels", labels)):
            body = data[first : first + SLICES].tobytes()
            files[f"/s{number}/{kind}.raw"] = body
            row.append(hashlib.sha256(body).hexdigest())
        rows.append(row)
    return files, rows


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    words.add_argument("--sheet", action="store_true", help="print the sample sheet and end")
    given = words.parse_args()
    files, rows = shards()
    if given.sheet:
        print("name,group,image_sha256,labels_sha256")
        for row in rows:
            print(",".join(row))
        return

    class Archive(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", given.port), Archive)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


main()
