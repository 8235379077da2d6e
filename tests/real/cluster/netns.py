"""A network for the nodes of a cluster, one network namespace each, behind a bridge that is in a
namespace, too: nothing of the machine's own network changes. Needs root."""

import os
import subprocess


class Network:
    """Use in a `with`, around the cluster: the namespaces are gone behind it."""

    transport = "tcp"
    options = "allow_plaintext = true"

    def __init__(self, node_count=3):
        self.prefix = f"varve{os.getpid()}"
        self.hub = f"{self.prefix}hub"
        self.names = [f"{self.prefix}n{number}" for number in range(1, node_count + 1)]
        self.subnet = "10.77.0.0/24"
        self.ips = [f"10.77.0.{number}" for number in range(1, node_count + 1)]
        self.addresses = [f"{ip}:7071" for ip in self.ips]
        self.launchers = [["ip", "netns", "exec", name] for name in self.names]

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in [*self.names, self.hub]:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)

    def _make(self):
        run("ip", "netns", "add", self.hub)
        run("ip", "-n", self.hub, "link", "add", "hub", "type", "bridge")
        run("ip", "-n", self.hub, "link", "set", "hub", "up")
        for number, (name, ip) in enumerate(zip(self.names, self.ips)):
            run("ip", "netns", "add", name)
            run("ip", "-n", self.hub, "link", "add", f"port{number}", "type", "veth",
                "peer", "name", "eth0", "netns", name)
            run("ip", "-n", self.hub, "link", "set", f"port{number}", "master", "hub", "up")
            run("ip", "-n", name, "address", "add", f"{ip}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")

    def cut(self, index, hears, heard, peers=None):
        """Of this node's packets: whether it still hears the peers, and they it. None: all."""
        ips = [self.ips[peer] for peer in peers or range(len(self.ips)) if peer != index]
        rules = []
        if not hears:
            rules.append(chain("input", f"ip saddr {{ {', '.join(ips)} }} drop"))
        if not heard:
            rules.append(chain("output", f"ip daddr {{ {', '.join(ips)} }} drop"))
        self.nft(index, f"table inet cut {{\n{''.join(rules)}}}")

    def set_link(self, index, state):
        """"down" takes the node off the network, with all that runs beside it."""
        run("ip", "-n", self.hub, "link", "set", f"port{index}", state)

    def heal(self, index):
        self.nft(index, "delete table inet cut")

    def nft(self, index, rules):
        run("ip", "netns", "exec", self.names[index], "nft", "-f", "-", given=rules)


def chain(hook, rule):
    return f"chain {hook} {{ type filter hook {hook} priority 0; {rule}; }}\n"


def run(*command, given=""):
    done = subprocess.run(command, input=given, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{given}"


def why_not():
    """Why this machine cannot do it; empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network(1) as network:
            network.nft(0, "table inet cut {\n}")
    except (AssertionError, FileNotFoundError, IndexError) as error:
        return str(error)
    return ""
