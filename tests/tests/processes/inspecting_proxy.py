"""A proxy as large companies have them: it ends TLS itself, with certificates of its own authority.

    inspecting_proxy.py FOLDER

Writes the authority's certificate to FOLDER/ca.pem, prints its port, and then a line for each host that it is
asked to connect to. Whatever is asked of such a host it answers itself, as an STS that knows the caller.
"""

import datetime
import pathlib
import socket
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ANSWER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::333333333333:user/jo</Arn><UserId>AIDA</UserId>
<Account>333333333333</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Authority:
    """Signs a certificate for each host."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a company")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self.signed(self.name, self.key.public_key(), basic)
        (folder / "ca.pem").write_bytes(pem(self.certificate))

    def signed(self, subject, public_key, *extensions):
        day = datetime.timedelta(days=1)
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(self.name, subject, public_key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + day)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, host):
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a host")])
        certificate = self.signed(subject, key.public_key(), names)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = self.folder / f"{host}.pem"
        file.write_bytes(pem(certificate) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def request(stream):
    """The first line of a request, whose body is read, too."""
    first, length = stream.readline().decode(), 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    stream.read(length)
    return first


def serve(connection, authority):
    with connection:
        asked = request(connection.makefile("rb")).split()
        host = asked[1].rpartition(":")[0] if asked[:1] == ["CONNECT"] else "?"
        print(host, flush=True)
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            with authority.context(host).wrap_socket(connection, server_side=True) as secure:
                request(secure.makefile("rb"))
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(ANSWER)}\r\n"
                secure.sendall(head.encode() + b"Connection: close\r\n\r\n" + ANSWER)
        except OSError:
            pass  # A client that does not trust the authority hangs up.


def main():
    authority = Authority(pathlib.Path(sys.argv[1]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, authority), daemon=True).start()


main()
