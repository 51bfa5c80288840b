"""Runs in namespaces of its own: a node, pods as network namespaces behind veth pairs, packets.

Started by `support.netns`, one JSON command a line on stdin, one answer a line on stdout. All of
it is gone with this process: the namespaces are private to it, and nothing is in the host's.
The wiring is what the CNI plugin `ptp` makes: each pod has a host address and a route by the node.
"""

import ctypes
import errno
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

NODE = "node"
GATEWAYS = ("10.99.0.1", "fd99::1")
LINK_LOCAL = "fe80::1"  # the node's, on each pod's link
CLONE_NEWNET = 0x40000000
PATIENCE = 10.0  # seconds for what should arrive
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str, text: str = "") -> str:
    """Runs a program; returns what it said when it failed, else nothing."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stderr + done.stdout if done.returncode else ""


def ip(text: str) -> None:
    said = run("ip", "-batch", "-", text=text)
    if said:
        raise RuntimeError(said)


def build(hosts: dict[str, list[str]]) -> None:
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/{key}", "w") as file:
            file.write("1")
    ip("link set lo up")
    gate4, gate6 = GATEWAYS
    for index, (name, (four, six)) in enumerate(hosts.items()):
        run("ip", "netns", "add", name)
        ip(
            f"""link add veth{index} type veth peer name eth0 netns {name}
            link set veth{index} up
            addr add {gate4}/32 dev veth{index}
            addr add {gate6}/128 dev veth{index} nodad
            addr add {LINK_LOCAL}/64 dev veth{index} nodad"""
        )
        with inside(name):
            ip(
                f"""link set lo up
                link set eth0 up
                addr add {four}/32 dev eth0
                addr add {six}/128 dev eth0 nodad
                addr add fe80::2/64 dev eth0 nodad
                route add {gate4} dev eth0 scope link
                route add default via {gate4}
                route add {gate6} dev eth0
                route add default via {gate6}"""
            )
        ip(f"route add {four}/32 dev veth{index}\nroute add {six}/128 dev veth{index}")


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Sockets made and programs started here belong to the namespace of `name`."""
    if name == NODE:
        yield
        return
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(home)
        os.close(home)
        os.close(there)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


class Echo(threading.Thread):
    """Answers whatever reaches any host, and counts it by the host that it reached."""

    def __init__(self, names: Sequence[str], listens: Sequence[tuple[str, int]]) -> None:
        super().__init__(daemon=True)
        self.arrived: dict[str, int] = dict.fromkeys(names, 0)
        self._poll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, str, str]] = {}
        for name in names:
            with inside(name):
                for protocol, port in listens:
                    self._add(_listener(protocol, port), f"{protocol} listener", name)

    def _add(self, sock: socket.socket, role: str, name: str) -> None:
        sock.setblocking(False)
        self._sockets[sock.fileno()] = (sock, role, name)
        self._poll.register(sock, select.EPOLLIN)

    def run(self) -> None:
        while True:
            for number, _ in self._poll.poll():
                sock, role, name = self._sockets[number]
                try:
                    self._serve(sock, role, name)
                except BlockingIOError:
                    continue
                except OSError:
                    self._drop(sock)

    def _serve(self, sock: socket.socket, role: str, name: str) -> None:
        if role == "TCP listener":
            self._add(sock.accept()[0], "connection", name)
        elif role == "UDP listener":
            data, sender = sock.recvfrom(2048)
            self.arrived[name] += 1
            sock.sendto(data, sender)
        elif data := sock.recv(2048):
            sock.send(data)
        else:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._poll.unregister(sock)
        del self._sockets[sock.fileno()]
        sock.close()


def _listener(protocol: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, KINDS[protocol])
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if protocol == "TCP":
        sock.listen(512)
    return sock


def start(name: str, target: str, protocol: str, port: int) -> socket.socket:
    """A socket of `name` that said hello to `target` and waits for the echo of it."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with inside(name):
        sock = socket.socket(family, KINDS[protocol])
        sock.setblocking(False)
        code = sock.connect_ex(_where(target, port))
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, f"{name} cannot try {target}: {os.strerror(code)}")
    if protocol == "UDP":
        sock.send(b"hello")
    return sock


def _where(target: str, port: int) -> tuple[Any, ...]:
    """A socket address; the link in `fe80::1%eth0` is looked up where the caller is."""
    host, _, link = target.partition("%")
    return (host, port, 0, socket.if_nametoindex(link)) if link else (host, port)


def probe(probes: list[list[Any]], want: list[bool], grace: float) -> list[bool]:
    """Which probes were answered. Waits for all that should be, and then a moment for others."""
    sockets = [start(*one) for one in probes]
    index = {sock.fileno(): number for number, sock in enumerate(sockets)}
    got = [False] * len(probes)
    poll = select.epoll()
    for sock, one in zip(sockets, probes, strict=True):
        poll.register(sock, select.EPOLLIN if one[2] == "UDP" else select.EPOLLOUT)
    end = time.monotonic() + PATIENCE
    late = None
    while time.monotonic() < (late or end):
        for number, _ in poll.poll(0.01):
            got[index[number]] = _answered(sockets[index[number]], probes[index[number]][2])
            poll.unregister(number)
        if late is None and all(g or not w for g, w in zip(got, want, strict=True)):
            late = time.monotonic() + grace
    for sock in sockets:
        sock.close()
    poll.close()
    return got


def _answered(sock: socket.socket, protocol: str) -> bool:
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return False
    return protocol == "TCP" or sock.recv(100) == b"hello"


class Driver:
    def __init__(self, hosts: dict[str, list[str]], listens: list[tuple[str, int]]) -> None:
        build(hosts)
        self.echo = Echo([*hosts, NODE], listens)
        self.echo.start()
        self.open: socket.socket | None = None

    def rules(self, text: str) -> str:
        """Loads a ruleset; returns what nft said against it."""
        return run("nft", "-f", "-", text=text)

    def probe(self, probes: list[list[Any]], want: list[bool], grace: float) -> list[bool]:
        return probe(probes, want, grace)

    def connect(self, name: str, target: str, port: int) -> None:
        """Opens the one connection that `talk` uses."""
        self.open = start(name, target, "TCP", port)
        self.open.setblocking(True)
        self.open.settimeout(PATIENCE)

    def talk(self, seconds: float) -> bool:
        """Whether the open connection brings back an echo within this time."""
        assert self.open is not None
        self.open.settimeout(seconds)
        try:
            self.open.send(b"x")
            return bool(self.open.recv(2048))
        except TimeoutError:
            return False

    def storm(self, texts: list[str], name: str, target: str, port: int) -> list[int]:
        """Datagrams while the rules are replaced all the time: how many sent, how many arrived."""
        there = next(host for host, ips in HOSTS.items() if target in ips)
        before, sent = self.echo.arrived[there], 0
        loader = threading.Thread(target=lambda: [self.rules(text) for text in texts])
        loader.start()
        with start(name, target, "UDP", port) as sock:
            sock.setblocking(True)
            while loader.is_alive():
                sock.send(b"storm")
                sent += 1
                if not sent % 50:
                    time.sleep(0.0005)  # leaves the loader its share of a processor
        return [sent, self.echo.arrived[there] - before]


HOSTS: dict[str, list[str]] = {}

if __name__ == "__main__":
    HOSTS = json.loads(sys.argv[1])
    driver = Driver(HOSTS, json.loads(sys.argv[2]))
    print(json.dumps("up"), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(driver, name)(*arguments)), flush=True)
