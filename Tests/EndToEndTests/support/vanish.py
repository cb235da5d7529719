"""Callers that die while polkit is asked about them: a process of another user, which forks one for each round.

Arguments: a uid, the number of rounds, how many are alive at a time, the longest life in seconds, a seed for how long
each lives, and a file with what each says to the bus once it is let in. Prints how many have died as they should.
"""

import os
import random
import signal
import socket
import sys
import time

SOCKET = "/run/dbus/system_bus_socket"


def live_and_die(uid, messages, seconds):
    bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bus.connect(SOCKET)
    bus.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
    assert bus.recv(256).startswith(b"OK")
    bus.sendall(b"BEGIN\r\n" + messages)
    # How long it lives is what is tried out, and waits for nothing.
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def main():
    uid, rounds, at_a_time = map(int, sys.argv[1:4])
    longest = float(sys.argv[4])
    # The same lives each time, so that what went wrong can be tried again.
    lives = random.Random(int(sys.argv[5]))
    with open(sys.argv[6], "rb") as file:
        messages = file.read()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    alive = killed = 0
    for _ in range(rounds):
        if alive == at_a_time:
            killed += os.WTERMSIG(os.wait()[1]) == signal.SIGKILL
            alive -= 1
        seconds = lives.uniform(0, longest)
        if os.fork() == 0:
            try:
                live_and_die(uid, messages, seconds)
            finally:
                os._exit(1)
        alive += 1
    while alive:
        killed += os.WTERMSIG(os.wait()[1]) == signal.SIGKILL
        alive -= 1
    print(killed)


if __name__ == "__main__":
    main()
