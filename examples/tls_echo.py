"""Recipe 11.10: TLS for socketserver, and clients that prove who they are.

    python tls_echo.py                         a server and three clients, in one program
    python tls_echo.py certificates FOLDER     makes certificates with the openssl command
    python tls_echo.py serve FOLDER 20000      the server; it asks for clients' certificates
    python tls_echo.py connect FOLDER 20000    a client: sends each line of its input

The recipe's own mixin calls ssl.wrap_socket, which Python 3.12 removed, and does
the handshake in get_request, where one silent client stops the server.  Here the
mixin comes from fastnet and takes the same keywords.
"""

import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
from socket import create_connection

from fastnet.socketserver import StreamRequestHandler, ThreadingTCPServer
from fastnet.tls import SSLMixin, client_context

SHORT = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificates(folder):
    """An authority, and one certificate each for the server and a client that it vouches for."""
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    ca, ca_key = str(folder / "ca.pem"), str(folder / "ca.key")
    openssl(
        "req",
        "-x509",
        *SHORT,
        "-subj",
        "/CN=example authority",
        "-days",
        "30",
        "-addext",  # Python 3.13 wants an authority to say what its key is for
        "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout",
        ca_key,
        "-out",
        ca,
    )
    for name, names in (
        ("server", "DNS:localhost,IP:127.0.0.1"),
        ("client", "DNS:client.example"),
    ):
        own = str(folder / name)
        extension = pathlib.Path(own + ".ext")
        extension.write_text(
            f"subjectAltName={names}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        openssl(
            "req", *SHORT, "-subj", f"/CN={name}", "-keyout", own + ".key", "-out", own + ".csr"
        )
        openssl(
            "x509",
            "-req",
            "-in",
            own + ".csr",
            "-CA",
            ca,
            "-CAkey",
            ca_key,
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            str(extension),
            "-out",
            own + ".pem",
        )
    for path in folder.glob("*.key"):
        os.chmod(path, 0o600)


class EchoHandler(StreamRequestHandler):
    def handle(self):
        peer = self.request.getpeercert()
        name = dict(part[0] for part in peer["subject"])["commonName"]
        print(f"got connection from {name}", flush=True)
        for line in self.rfile:
            self.wfile.write(line)


class EchoServer(SSLMixin, ThreadingTCPServer):
    allow_reuse_address = True

    def handle_handshake_error(self, sock, address, error):
        print(f"turned away: {getattr(error, 'reason', None) or error}", flush=True)


def server(folder, port):
    return EchoServer(
        ("127.0.0.1", port),
        EchoHandler,
        keyfile=f"{folder}/server.key",
        certfile=f"{folder}/server.pem",
        ca_certs=f"{folder}/ca.pem",
        cert_reqs=ssl.CERT_REQUIRED,
    )


def client(folder, port, lines, **options):
    context = client_context(cafile=f"{folder}/ca.pem", **options)
    with create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as s:
            for line in lines:
                s.sendall(line)
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += (part := s.recv(8192))
                    if not part:
                        raise EOFError("the server ended the connection")
                yield answer


def known(folder):
    return {"certfile": f"{folder}/client.pem", "keyfile": f"{folder}/client.key"}


def all_of_it():
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        with server(folder, 0) as serving:
            thread = threading.Thread(target=serving.serve_forever)
            thread.start()
            port = serving.server_address[1]
            try:
                print("answer:", *client(folder, port, [b"hello\n", b"world\n"], **known(folder)))
                silent = create_connection(("127.0.0.1", port))  # and stops nobody
                print("answer:", *client(folder, port, [b"still there\n"], **known(folder)))
                silent.close()
                try:
                    list(client(folder, port, [b"hello\n"]))
                except OSError as error:
                    print(f"without a certificate: {getattr(error, 'reason', None) or error}")
            finally:
                serving.shutdown()
                thread.join()


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["certificates"]:
        certificates(words[1])
    elif words[:1] == ["serve"]:
        with server(words[1], int(words[2])) as serving:
            print("listening on port", serving.server_address[1], flush=True)
            serving.serve_forever()
    elif words[:1] == ["connect"]:
        lines = (line.encode() for line in sys.stdin)
        for answer in client(words[1], int(words[2]), lines, **known(words[1])):
            print(answer.decode(), end="", flush=True)
    else:
        all_of_it()
