#!/usr/bin/python3
"""The tier of a volume in a cluster of real daemons: it reaches every node that holds the volume, also
one that was down when it changed, is the same everywhere after changes by several clients at a time,
and where a node cannot keep a volume on its SSD it says so, serves on, and keeps it once there is room."""

import re
import threading

import nbd
from cluster import Cluster, until

MIB = 1 << 20


def tier_in(node, volume):
    """What the node's disk group has, by what it last logged."""
    said = re.findall(rf"volume {volume} has tier (\w+) in a disk group", node.log())
    return said[-1] if said else "auto"


def shown(node, volume):
    return re.search(r"tier: +(\w+)", node.must("volume", "show", volume))[1]


def has_no_room(node, volume):
    return [problem for problem in node.status()["problems"]
            if f"volume {volume} has tier auto on disk group disk0 of this node, not ssd" in problem
            and "the SSD has room for" in problem]


def until_all_have(nodes, volume, tier):
    for node in nodes:
        until(f"{volume} has tier {tier} in {node.work}", lambda n=node: tier_in(n, volume) == tier)


def add_hdd(cluster, node):
    node.stop()
    node.rewrite_config(f'path = "{node.disk}"\n',
                        f'path = "{node.disk}"\nhdd = ["{node.work}/h1"]\n')
    node.launch()
    cluster.await_ready(node)
    until("no record changes any more", lambda: not any(
        "degraded" in one or "silent" in one for one in cluster.problems()))
    node.must("disk", "add", "disk0", "--hdd-size", "64MiB")


def write_and_read(node, volume, size):
    client = nbd.NBD()
    client.connect_uri(node.uri(volume))
    for at in range(0, size, MIB):
        client.pwrite(bytes([at // MIB + 1]) * MIB, at)
    for at in range(0, size, MIB):
        assert client.pread(MIB, at) == bytes([at // MIB + 1]) * MIB
    client.shutdown()


def changed_while_a_node_is_down(cluster):
    first, second, third = cluster.nodes
    create = ["volume", "create", "v", "--size", "8MiB", "--copies", "3", "--tier", "ssd"]
    first.must(*create)
    assert "exists already" in second.must(*create)
    code, said = second.varve(*create[:-1], "hdd")
    assert code == 1 and "and tier ssd" in said, said
    write_and_read(first, "v", 8 * MIB)
    until_all_have(cluster.nodes, "v", "ssd")
    third.kill()
    assert "tier is hdd now" in second.must("volume", "set", "v", "--tier", "hdd")
    assert "has tier hdd already" in first.must("volume", "set", "v", "--tier", "hdd")
    until_all_have([first, second], "v", "hdd")
    third.launch()
    cluster.await_ready(third)
    until_all_have([third], "v", "hdd")
    assert re.search(r"(?m)^v .* hdd ", third.must("volume", "list"))
    # It is durable: nobody sets it again.
    cluster.await_healthy()
    logged = [node.log().count("volume v has tier") for node in cluster.nodes]
    cluster.kill()
    cluster.launch()
    cluster.await_healthy()
    write_and_read(second, "v", 8 * MIB)
    assert [node.log().count("volume v has tier") for node in cluster.nodes] == logged


def known_by_the_fence(cluster):
    """Attached for the first time, and nothing else happens: it is new to the nodes."""
    for number in range(6):
        cluster.nodes[0].must("volume", "create", f"f{number}", "--size", "1MiB", "--copies", "3",
                              "--tier", "hdd")
    for number in range(6):
        cluster.nodes[number % 3].must("attach", f"f{number}")
        until_all_have(cluster.nodes, f"f{number}", "hdd")


def changed_by_several_clients(cluster):
    """Also while the volume is deleted."""
    for deleted in False, True:
        def change(node):
            for turn in range(8):
                code, said = node.varve("volume", "set", "v", "--tier", ["ssd", "hdd", "auto"][turn % 3])
                assert code == 0 or deleted and "no volume" in said, said

        threads = [threading.Thread(target=change, args=[node]) for node in cluster.nodes]
        for thread in threads:
            thread.start()
        if deleted:
            until("it is deleted", lambda: cluster.nodes[0].varve("volume", "delete", "v")[0] == 0)
        for thread in threads:
            thread.join()
        if not deleted:
            # A node shows the record as it knows it, maybe for a moment an old one.
            until("all nodes say and have the same", lambda: len(
                {tier for node in cluster.nodes for tier in [tier_in(node, "v"), shown(node, "v")]}) == 1)
    code, said = cluster.nodes[2].varve("volume", "set", "v", "--tier", "ssd")
    assert code == 1 and "no volume" in said, said
    until("no problem is left", lambda: not cluster.problems())


def room_comes_by_a_deletion(cluster):
    first, _, third = cluster.nodes
    for name in "one", "two":
        first.must("volume", "create", name, "--size", "24MiB", "--copies", "3", "--tier", "ssd")
        write_and_read(first, name, MIB)
    until("the third node keeps the older one", lambda: tier_in(third, "one") == "ssd")
    until("it says that the younger one has no room", lambda: has_no_room(third, "two"))
    first.must("volume", "delete", "one")
    until_all_have(cluster.nodes, "two", "ssd")
    first.must("volume", "delete", "two")
    cluster.await_healthy()


def more_than_a_node_can_keep(cluster):
    """Its SSD has too little room beside an HDD; the others have no HDDs."""
    first, second, third = cluster.nodes
    first.must("volume", "create", "big", "--size", "60MiB", "--copies", "3", "--tier", "ssd")
    write_and_read(first, "big", 4 * MIB)
    until_all_have([first, second], "big", "ssd")
    until("the third node says it", lambda: has_no_room(third, "big"))
    third.kill()
    third.launch()
    cluster.await_ready(third)
    until("it says it again", lambda: has_no_room(third, "big"))
    assert tier_in(third, "big") == "auto"
    # Room for it comes, and goes when it grows.
    first.must("volume", "create", "small", "--size", "8MiB", "--copies", "3", "--tier", "ssd")
    write_and_read(second, "small", 8 * MIB)
    until_all_have(cluster.nodes, "small", "ssd")
    first.must("volume", "resize", "small", "--size", "60MiB")
    write_and_read(second, "small", 12 * MIB)
    until("it says it of both", lambda: has_no_room(third, "small") and has_no_room(third, "big"))
    until_all_have([third], "small", "auto")
    assert tier_in(first, "small") == tier_in(second, "small") == "ssd"
    assert not first.status()["problems"] + second.status()["problems"]
    for name in "small", "big":
        third.must("volume", "set", name, "--tier", "auto")
    until_all_have(cluster.nodes, "small", "auto")
    cluster.await_healthy()


def an_hdd_takes_room(cluster):
    """Nobody refuses it: the tier gives way on that node."""
    first, second, _ = cluster.nodes
    first.must("volume", "set", "big", "--tier", "ssd")
    until_all_have([first, second], "big", "ssd")
    add_hdd(cluster, second)
    until("the second node has no room now", lambda: has_no_room(second, "big"))
    assert tier_in(second, "big") == "auto"
    second.must("volume", "set", "big", "--tier", "auto")
    cluster.await_healthy()


def a_disk_group_is_not_for_the_client_to_say(cluster):
    code, said = cluster.nodes[0].varve("volume", "set", "big", "--tier", "hdd", "--disk-group", "disk0")
    assert code == 1 and "say no disk group" in said, said


def main():
    with Cluster(disk_size="64MiB") as cluster:
        cluster.make()
        cluster.await_healthy()
        add_hdd(cluster, cluster.nodes[2])
        cluster.await_healthy()
        changed_while_a_node_is_down(cluster)
        known_by_the_fence(cluster)
        changed_by_several_clients(cluster)
        room_comes_by_a_deletion(cluster)
        more_than_a_node_can_keep(cluster)
        an_hdd_takes_room(cluster)
        a_disk_group_is_not_for_the_client_to_say(cluster)
        cluster.stop()
    print("ok: tiers of volumes reach all nodes")


if __name__ == "__main__":
    main()
