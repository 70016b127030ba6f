"""The slides' raw sockets, and their look-ups of hosts and services.

    python slides_raw_and_names.py names [host]         what the system knows of a host
    python slides_raw_and_names.py raw [interface [n]]  n IP packets seen on an interface

Raw packets are for root, or a process with CAP_NET_RAW, and for Linux.
"""

import socket
import sys

from fastnet.sockets import Socket


def names(host):
    print("this machine:", socket.gethostname())
    address = socket.gethostbyname(host)
    print("address of", host + ":", address)
    try:
        print("host at", address + ":", socket.gethostbyaddr(address))
    except OSError as e:
        print("host at", address + ": unknown,", e)
    for service in ("ftp", "ssh", "smtp", "http", "https"):
        try:
            port = socket.getservbyname(service, "tcp")
            print(port, service, socket.getservbyport(port, "tcp"))
        except OSError as e:
            print("service", service, "unknown:", e)


def raw(interface, count):
    try:
        s = Socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        s.bind((interface, 0x0800))  # Sniff IP packets
    except (AttributeError, PermissionError) as e:
        sys.exit("raw sockets are not permitted here: %s" % e)
    print("listening on", interface, flush=True)
    for n in range(count):
        msg, addr = s.recvfrom(4096)  # get a packet
        print(len(msg), "bytes,", addr[:3])
    s.close()


if __name__ == "__main__":
    words = sys.argv[1:] or ["names"]
    if words[0] == "raw":
        raw(words[1] if words[1:] else "lo", int(words[2]) if words[2:] else 10)
    else:
        names(words[1] if words[1:] else "localhost")
