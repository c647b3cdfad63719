"""Joining a Ray cluster, and noticing that it is lost, or full."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.execution.workers.tasks import WantedPool

ANSWER = 10.0
"""Seconds within which a cluster's head answers; Ray itself asks for minutes."""

PULSE = 5.0
"""Seconds between two looks at the cluster."""

LOST = 30.0
"""Seconds without an answer after which the cluster is lost; Ray ends the process after 60."""

FULL = 15.0
"""Seconds without any worker after which a line says so."""

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2, which Ray speaks, begins with: RFC 9113, section 3.4."""

SETTINGS = 4
"""Type of the frame that a server of HTTP/2 answers first."""


def join(ray: Any, wanted: WantedPool) -> None:
    """Join the cluster of an address, or start one on this machine.

    Raises:
        BenchmarkError: nothing answers there, or refuses, or Ray doesn't start.
    """
    asked = wanted.address
    address = (os.environ.get("RAY_ADDRESS") or "auto") if asked == "auto" else asked
    if address and address.startswith("ray://"):
        raise BenchmarkError(
            f"--ray-address {asked}: Ray Client's addresses aren't taken; start the run on a "
            "machine of the cluster, with its head's HOST:PORT"
        )
    if address and address not in ("auto", "local") and not answers(address):
        raise BenchmarkError(
            f"--ray-address {asked}: no Ray cluster answers at {address}; give its head's HOST:PORT"
        )
    # Without "local" Ray takes any cluster that runs on this machine, and refuses num_cpus.
    where: dict[str, Any] = {"address": address or "local"}
    if not address:
        where |= {"num_cpus": wanted.jobs * (wanted.threads or 1), "include_dashboard": False}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, **where)
    except SystemExit:  # what Ray makes of SIGTERM
        raise KeyboardInterrupt from None
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]
        if asked is None:
            raise BenchmarkError(f"--executor ray: Ray doesn't start ({reason})") from error
        raise BenchmarkError(
            f"--ray-address {asked}: no cluster there, or one with a token, which Ray sends from "
            f"~/.ray/auth_token with RAY_AUTH_MODE=token ({reason})"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def answers(address: str) -> bool:
    """Return whether Ray, or another server of HTTP/2, answers at HOST:PORT."""
    host, _, port = address.rpartition(":")
    with (
        suppress(OSError, ValueError, OverflowError),
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER) as connection,
    ):
        if os.environ.get("RAY_USE_TLS") == "1":  # which answers nobody without a certificate
            return True
        connection.sendall(GREETING)
        frame = connection.recv(9)
        return frame[3:4] == bytes((SETTINGS,))
    return False


class Watch:
    """Looks whether the cluster is there, seen from this machine, and has room."""

    def __init__(self, ray: Any) -> None:
        context = ray.get_runtime_context()
        self._ray, self._head, self._node = ray, context.gcs_address, context.get_node_id()
        self._since: float | None = time.monotonic()
        self._lost = False

    def check(self) -> None:
        """Look whether the head answers, and counts this machine among its own.

        Raises:
            BenchmarkError: not for `LOST` seconds.
        """
        end = time.monotonic() + LOST
        while not answers(self._head):
            if time.monotonic() > end:
                self._raise_lost(f"its head, {self._head}, answers no more")
            time.sleep(1)
        if not any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes()):
            self._raise_lost("it counts this machine as dead")

    def say_waiting(self, needs: dict[str, float]) -> None:
        """Say once what a worker needs, and what is free, after `FULL` seconds without any."""
        if self._since is None or time.monotonic() < self._since + FULL:
            return
        self._since = None
        has, free = self._ray.cluster_resources(), self._ray.available_resources()
        rooms = [
            f"{name} {count:g} ({free.get(name, 0):g} of {has.get(name, 0):g} are free)"
            for name, count in needs.items()
        ]
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        fits = any(all(node.get(name, 0) >= needs[name] for name in needs) for node in nodes)
        never = "" if fits else "; no machine of the cluster has so much"
        say(f"waiting for the cluster: a worker needs {' and '.join(rooms)}{never}")

    def leave(self) -> None:
        """Leave the cluster, unless it is lost, where Ray would wait for it."""
        if not self._lost:
            self._ray.shutdown()

    def _raise_lost(self, why: str) -> None:
        self._lost = True
        atexit.register(os._exit, BenchmarkError.status)  # before Ray's own, which breaks off
        raise BenchmarkError(
            f"the cluster is lost: {why}; every finished cell is stored, and the same command "
            "continues on another"
        )
