"""Who can reach the embedded Sail server: only processes of this user.

Sail listens on a TCP port of this machine, where every user could connect, and Spark Connect runs
the Python that it is sent. So the listening socket gets a filter in the kernel (a classic BPF
program, for which nobody needs to be root) that drops every segment that does not come from one of
a few ports. Those are bound by us, and as long as they are, nobody else can send from them: not by
SO_REUSEPORT either, which is for sockets of one user. Who may connect does so through a Unix socket
in a folder of the user's own, and `relay` goes on from a bound port.
"""

import contextlib
import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ADDRESS: Final = "127.0.0.1"

# Of Linux's asm-generic/socket.h, where Python's socket module has no names.
_SO_ATTACH_FILTER: Final = 26
_SO_LOCK_FILTER: Final = 44

# A classic BPF instruction: operation, jumps if true and if false, operand. A filter on a TCP
# socket sees the segment from its TCP header on, which begins with the port that it comes from;
# the IP header before that is at an offset of its own.
_INSTRUCTION: Final = "HBBI"
_LOAD_WORD: Final = 0x20
_LOAD_HALF: Final = 0x28
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_IP_SOURCE: Final = 2**32 - 0x100000 + 12
_TCP_SOURCE: Final = 0
_DROP: Final = 0
_PASS: Final = 2**32 - 1

_HANDSHAKE_MS: Final = 20  # on one machine it takes microseconds
_FIRST_UID: Final = 500 if sys.platform == "darwin" else 1000  # below are the system's own
_NOBODY: Final = 65534


def bind_ports(n: int) -> tuple[socket.socket, ...]:
    """Bind n free ports, which nobody else can send from as long as the sockets are open."""
    return tuple(bind_port() for _ in range(n))


def bind_port(port: int = 0) -> socket.socket:
    """Bind a port, free or bound before by `bind_ports`, to connect from."""
    sender = socket.socket()
    try:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sender.bind((ADDRESS, port))
    except BaseException:
        sender.close()
        raise
    return sender


def close_off(listener: socket.socket, ports: Sequence[int]) -> None:
    """Let a listening socket hear only what comes from the given ports, for good."""
    program = b"".join(struct.pack(_INSTRUCTION, *step) for step in _program(ports))
    steps = ctypes.create_string_buffer(program, len(program))
    n_steps = len(program) // struct.calcsize(_INSTRUCTION)
    reference = struct.pack("HL", n_steps, ctypes.addressof(steps))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, reference)
    listener.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)


def check_closed(listener: socket.socket) -> None:
    """Try to connect to a socket that is closed off.

    Raises
    ------
    OSError : where it answers
    """
    with socket.socket() as stranger:
        if _can_connect(stranger, listener.getsockname()):
            raise OSError("its socket filter lets strangers pass")


def listening(port: int) -> socket.socket:
    """Return the socket of this process that listens on a port.

    Raises
    ------
    OSError : where there is none
    """
    for entry in Path("/proc/self/fd").iterdir():
        if not entry.is_socket():
            continue
        with contextlib.suppress(OSError):  # closed by now
            found = socket.socket(fileno=os.dup(int(entry.name)))
            is_listening = found.family == socket.AF_INET and found.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            )
            if is_listening and found.getsockname() == (ADDRESS, port):
                return found
            found.close()
    raise OSError(f"no socket of this process listens on port {port}")


def n_accepted() -> int:
    """Return how many TCP connections anybody on this machine has accepted so far."""
    names, values = (
        line.split()
        for line in Path("/proc/self/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")
    )
    return int(values[names.index("PassiveOpens")])


def why_not() -> str | None:
    """Return why this system cannot close a port off: a clause, or None where it can."""
    if sys.platform != "linux":
        return "only Linux can close its port to other users"
    try:
        n_accepted()
        with socket.create_server((ADDRESS, 0)) as listener, bind_port() as known:
            close_off(listener, [known.getsockname()[1]])
            check_closed(listener)
            if not _can_connect(known, listener.getsockname()):
                return "this system's socket filters let nobody pass"
    except OSError as error:
        return f"this system cannot close its port to other users ({error})"
    return None


def others() -> str | None:
    """Return who else is on this machine: a clause, or None where nobody is."""
    own = os.getuid()
    if Path("/proc/self").exists() and not Path("/proc/1").exists():
        return "the processes of other users are hidden"
    for uid in _uids():
        if uid >= _FIRST_UID and uid not in (own, _NOBODY):
            return f"the user with the number {uid} has processes"
    names = {_user_name(), "root"}
    for name in (line.split()[0] for line in _lines_of("who") if line.strip()):
        if name not in names:
            return f"the user {name} is logged in"
    return None


def _program(ports: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    n = len(ports)
    here = int.from_bytes(socket.inet_aton(ADDRESS), "big")
    yield _LOAD_WORD, 0, 0, _IP_SOURCE
    yield _JUMP_IF_EQUAL, 0, n + 1, here
    yield _LOAD_HALF, 0, 0, _TCP_SOURCE
    for i, port in enumerate(ports):
        yield _JUMP_IF_EQUAL, n - i, 0, port
    yield _RETURN, 0, 0, _DROP
    yield _RETURN, 0, 0, _PASS


def _can_connect(sender: socket.socket, address: tuple[str, int]) -> bool:
    sender.settimeout(0)
    sender.connect_ex(address)
    waiting = select.poll()
    waiting.register(sender, select.POLLOUT)
    is_done = bool(waiting.poll(_HANDSHAKE_MS))
    return is_done and sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def _uids() -> set[int]:
    """Return the users with processes."""
    processes = list(Path("/proc").glob("[0-9]*"))
    uids = set()
    for process in processes:
        with contextlib.suppress(OSError):  # it has ended
            uids.add(process.stat().st_uid)
    if not processes:
        uids.update(int(line) for line in _lines_of("ps", "-axo", "uid="))
    return uids


def _lines_of(*command: str) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as containers have it
        return ""
