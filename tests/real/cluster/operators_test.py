#!/usr/bin/python3
"""What an operator sees of a cluster: before it is made, refusals in words, attach and detach by
force, a volume that grows, and a clean end of every daemon, also under load."""

import os
import shutil
import threading
import time

import nbd
from basic_test import Stamp
from cluster import Cluster, Node, until


def refused(node, why, *arguments):
    code, said = node.varve(*arguments)
    assert code != 0 and why in said, f"varve {' '.join(arguments)}: exit {code}: {said}"


def before_it_is_made(cluster):
    first, second, third = cluster.nodes
    for node in cluster.nodes:
        node.launch()
        until("it waits for varve cluster init",
              lambda node=node: "cluster init" in Cluster.state(node))
    assert "PROBLEM: cluster: waiting for varve cluster init" in first.must("status")
    refused(second, "cluster init", "disk", "add", "disk0", "--size", "64MiB")
    refused(second, "cluster init", "volume", "create", "v", "--size", "1MiB")
    third.stop()  # also in this state
    third.launch()
    assert "initialised" in first.must("cluster", "init", "--copies", "2")
    assert "already" in second.must("cluster", "init")
    refused(second, "initialised already", "cluster", "init", "--copies", "3")
    cluster.await_joined()
    refused(first, "disk groups on as many nodes", "volume", "create", "v", "--size", "1MiB")
    for node in cluster.nodes:
        node.must("disk", "add", "disk0", "--size", "256MiB")


def volumes_come_and_go(cluster):
    first, second, third = cluster.nodes
    first.must("volume", "create", "v", "--size", "10000")
    until("the third node knows it", lambda: "v" in third.must("volume", "list").split())
    shown = third.must("volume", "show", "v")
    assert "12288 bytes" in shown and "copies:      2" in shown, shown
    refused(second, "exists already", "volume", "create", "v", "--size", "1MiB")
    refused(second, "which the cluster picks", "volume", "create", "w", "--size", "1MiB", "--disk-group",
            "disk0")
    assert "n3" in third.must("attach", "v")
    refused(first, "attached on node n3", "volume", "delete", "v")
    refused(first, "attached on node n3", "detach", "v")
    first.must("detach", "v", "--force")
    first.must("volume", "delete", "v")
    refused(first, "no volume", "volume", "delete", "v")
    until("nobody knows it any more", lambda: "v" not in third.must("volume", "list").split())


def taken_by_force(cluster):
    first, second, _ = cluster.nodes
    first.must("volume", "create", "w", "--size", "8MiB", "--copies", "3")
    before, after = nbd.NBD(), nbd.NBD()
    before.connect_uri(first.uri("w"))
    old = os.urandom(65536)
    before.pwrite(old, 4096)
    refused(first, "in use", "detach", "w")
    second.must("attach", "w", "--force")
    try:
        before.pwrite(bytes(65536), 4096)
        raise AssertionError("a client writes to a volume that another node has taken")
    except nbd.Error as error:
        assert error.errno in ("EPERM", "ESHUTDOWN"), error
    after.add_meta_context("base:allocation")
    after.connect_uri(second.uri("w"))
    assert after.pread(65536, 4096) == old, "another node reads something else"
    after.pwrite(old, 1 << 20)
    runs = []
    after.block_status(8 << 20, 0, lambda _, __, entries, ___: runs.extend(entries) or 0)
    hole = nbd.STATE_HOLE | nbd.STATE_ZERO
    assert runs == [4096, hole, 65536, 0, (1 << 20) - 69632, hole, 65536, 0,
                    (7 << 20) - 65536, hole], runs
    after.shutdown()
    before.shutdown()
    second.must("detach", "w")
    until("nobody holds it", lambda: "no node" in first.must("volume", "show", "w"))


def grown_while_used(cluster):
    """By another node than the one that uses it; the new end outlives the death of all."""
    first, second, third = cluster.nodes
    first.must("volume", "create", "g", "--size", "60MiB", "--copies", "3")
    before = nbd.NBD()
    before.connect_uri(second.uri("g"))
    assert "resized" in third.must("volume", "resize", "g", "--size", "200MiB")
    assert "already" in third.must("volume", "resize", "g", "--size", "200MiB")
    refused(first, "cannot shrink to 100MiB", "volume", "resize", "g", "--size", "100MiB")
    until("its clients may use it all", lambda: size_seen(second, "g") == 200 << 20)
    data = os.urandom(1 << 20)
    after = nbd.NBD()
    after.connect_uri(second.uri("g"))
    for offset in (60 << 20) - 4096, 199 << 20:
        after.pwrite(data, offset)
    assert before.get_size() == 60 << 20
    assert before.pread(4096, (60 << 20) - 4096) == data[:4096]
    cluster.kill()
    cluster.launch()
    first.must("attach", "g", "--force")
    other = nbd.NBD()
    other.connect_uri(first.uri("g"))
    for offset in (60 << 20) - 4096, 199 << 20:
        assert other.pread(len(data), offset) == data, "what was written behind the former end is lost"
    other.shutdown()
    first.must("detach", "g")
    first.must("volume", "resize", "g", "--size", "300MiB")  # while nobody uses it
    until("the next client sees it", lambda: size_seen(third, "g") == 300 << 20)
    last = nbd.NBD()
    last.connect_uri(third.uri("g"))
    last.pwrite(data, 299 << 20)
    assert last.pread(len(data), 299 << 20) == data
    last.shutdown()


def size_seen(node, volume):
    client = nbd.NBD()
    client.connect_uri(node.uri(volume))
    size = client.get_size()
    client.shutdown()
    return size


def disk_of_another_world(cluster):
    """A disk group of a node that stood alone, and one of the cluster on such a node."""
    third = cluster.nodes[2]
    third.stop()
    kept = f"{third.disk}.kept"
    with Node() as alone:
        alone.start()
        alone.must("disk", "add", "disk0", "--size", "64MiB")
        alone.stop()
        shutil.move(third.disk, kept)
        shutil.copy(alone.disk, third.disk)
        shutil.copy(kept, alone.disk)
        alone.start()
        assert "belongs to a cluster" in alone.must("status")
        refused(alone, "no disk group is serving", "volume", "create", "v", "--size", "1MiB")
        alone.stop()
    third.launch()
    cluster.await_ready(third)
    assert "belongs to no cluster" in third.must("status")
    third.stop()
    shutil.move(kept, third.disk)
    third.launch()
    cluster.await_ready(third)
    cluster.await_healthy()


def clean_end_under_load(cluster):
    first, second, _ = cluster.nodes
    first.must("volume", "create", "load", "--size", "64MiB", "--copies", "3")
    stamp = Stamp(second.uri("load"), f"{cluster.work}/journal")
    stamp.await_word("acknowledged", 4)
    longest = longest_wait(stamp, first.stop)
    print(f"a node stopped: clients of others waited {longest:.2f} s at most")
    first.launch()
    cluster.await_ready(first)
    second.stop()  # the node that the client uses
    second.launch()
    cluster.await_ready(second)
    stamp.await_word("session")
    stamp.await_word("acknowledged", 20)
    stamp.end()
    cluster.await_healthy()
    stop_without_a_majority(cluster)
    cluster.stop()
    for node in cluster.nodes:
        assert node.log().rstrip().endswith("stopped cleanly"), node.log()[-2000:]
    cluster.launch()
    stamp.verify()
    cluster.stop()


def longest_wait(stamp, stop, seconds=6):
    """Between two times that the client heard of acknowledgements, while and after a node stops."""
    stopping = threading.Thread(target=stop)
    stopping.start()
    longest, last = 0, time.monotonic()
    end = last + seconds
    while last < end:
        stamp.await_word("acknowledged")
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    stopping.join()
    return longest


def stop_without_a_majority(cluster):
    """What waits for the other nodes must not keep a daemon from its end."""
    first, second, third = cluster.nodes
    client = nbd.NBD()
    client.connect_uri(second.uri("w"))
    first.kill()
    third.kill()
    cookie = client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(4096)), 0)
    client.poll(100)
    assert not client.aio_command_completed(cookie), "one copy of three was called durable"
    second.stop()
    for node in cluster.nodes:
        node.launch()
    cluster.await_joined()
    cluster.await_healthy()


def main():
    with Cluster() as cluster:
        before_it_is_made(cluster)
        volumes_come_and_go(cluster)
        taken_by_force(cluster)
        grown_while_used(cluster)
        disk_of_another_world(cluster)
        clean_end_under_load(cluster)
    print("cluster operators: refused in words, taken by force, ended cleanly")


if __name__ == "__main__":
    main()
