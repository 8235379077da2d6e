"""Requests of odd sizes at odd offsets over several connections, held against a byte array.

usage: partial_blocks.py URI SIZE MODEL_FILE SEED

Several requests are in flight at a time on every connection. Those whose bytes overlap are kept
apart here, so that the result is known; those that share only a block are not: keeping these apart
is the server's work, and it loses bytes when it does not. The final model goes to MODEL_FILE.
"""

import random
import sys

import nbd

CONNECTIONS = 4
OPERATIONS = 2000
IN_FLIGHT_MAX = 64


class Client:
    """Picks requests, tracks which bytes are busy, and checks what comes back."""

    def __init__(self, uri, size, seed):
        self.random = random.Random(seed)
        self.size = size
        self.model = bytearray(size)
        self.busy = []
        self.handles = []
        for _ in range(CONNECTIONS):
            handle = nbd.NBD()
            handle.connect_uri(uri)
            self.handles.append(handle)

    def pick_range(self):
        """Around a few hot blocks, so that requests meet; sometimes long, sometimes anywhere."""
        kind = self.random.random()
        if kind < 0.7:
            offset = self.random.randrange(16 * 4096)
            length = self.random.randint(1, 6000)
        elif kind < 0.95:
            offset = self.random.randrange(self.size)
            length = self.random.randint(1, 20_000)
        else:
            offset = self.random.randrange(self.size)
            length = self.random.randint(1, 3_000_000)
        return offset, min(length, self.size - offset)

    def wait_until_free(self, offset, length):
        def overlaps():
            return any(o < offset + length and offset < o + n for o, n in self.busy)

        while overlaps() or len(self.busy) >= IN_FLIGHT_MAX:
            self.progress()

    def progress(self):
        """Waits for something to happen on a connection that has requests in flight."""
        waiting = [h for h in self.handles if h.aio_in_flight() > 0]
        self.random.choice(waiting).poll(-1)

    def begin(self, offset, length, check=None):
        place = (offset, length)
        self.busy.append(place)

        def end(error):
            self.busy.remove(place)
            if error.value != 0:
                sys.exit(f"request of {length} bytes at {offset}: error {error.value}")
            if check is not None:
                check()
            return 1

        return end

    def read(self, handle, offset, length):
        buffer = nbd.Buffer(length)
        expected = bytes(self.model[offset : offset + length])

        def check():
            if bytes(buffer.to_bytearray()) != expected:
                sys.exit(f"read of {length} bytes at {offset}: not what was written")

        handle.aio_pread(buffer, offset, completion=self.begin(offset, length, check))

    def write(self, handle, offset, length):
        data = self.random.randbytes(length)
        self.model[offset : offset + length] = data
        flags = nbd.CMD_FLAG_FUA if self.random.random() < 0.3 else 0
        buffer = nbd.Buffer.from_bytearray(bytearray(data))
        handle.aio_pwrite(buffer, offset, completion=self.begin(offset, length), flags=flags)

    def zero(self, handle, offset, length):
        self.model[offset : offset + length] = bytes(length)
        flags = nbd.CMD_FLAG_NO_HOLE if self.random.random() < 0.3 else 0
        handle.aio_zero(length, offset, completion=self.begin(offset, length), flags=flags)

    def trim(self, handle, offset, length):
        """Whole blocks then read as zeroes, partial ones keep their bytes."""
        first = -(-offset // 4096) * 4096
        last = (offset + length) // 4096 * 4096
        if first < last:
            self.model[first:last] = bytes(last - first)
        handle.aio_trim(length, offset, completion=self.begin(offset, length))

    def run(self):
        actions = [self.read, self.write, self.zero, self.trim]
        for _ in range(OPERATIONS):
            offset, length = self.pick_range()
            self.wait_until_free(offset, length)
            action = self.random.choices(actions, [35, 50, 10, 5])[0]
            action(self.random.choice(self.handles), offset, length)
        while self.busy:
            self.progress()

    def check_all(self):
        for handle in self.handles:
            handle.flush()
            for offset in range(0, self.size, 1_000_003):
                length = min(1_000_003, self.size - offset)
                if handle.pread(length, offset) != self.model[offset : offset + length]:
                    sys.exit(f"afterwards: wrong bytes in {length} at {offset}")
            handle.shutdown()


def main():
    uri, size, model_file, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    client = Client(uri, size, seed)
    if client.handles[0].get_size() != size:
        sys.exit(f"size is {client.handles[0].get_size()}, not {size}")
    print(f"seed {seed}: {OPERATIONS} operations over {CONNECTIONS} connections", flush=True)
    client.run()
    client.check_all()
    with open(model_file, "wb") as file:
        file.write(client.model)


main()
